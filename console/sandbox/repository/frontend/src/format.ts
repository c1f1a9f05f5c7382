const money = new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 5 });

export function formatMoney(value: number): string {
  return money.format(value);
}
