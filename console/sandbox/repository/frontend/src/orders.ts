import { formatMoney } from './format';

export const ORDER_TYPES = ['market', 'limit', 'stop', 'stop_limit'];

export function orderRow(symbol: string, type: string, price: number): string {
  return `${symbol} ${type} ${formatMoney(price)}`;
}
