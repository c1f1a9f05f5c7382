import { orderRow } from './orders';
import { connect } from './prices';

const app = document.getElementById('app')!;
const rows = new Map<string, HTMLElement>();

connect((symbol, price) => {
  const row = rows.get(symbol) ?? app.appendChild(document.createElement('p'));
  rows.set(symbol, row);
  row.textContent = orderRow(symbol, 'market', price);
});
