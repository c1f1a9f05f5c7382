// The price of one symbol: from the cache while it is fresh, else from the provider that serves the symbol.
import { connect } from 'npm:redis@4.7.0';

// Seconds for which a streamed price stays in the cache.
export const PRICE_TTL_S = 5;

const cache = await connect({ url: Deno.env.get('REDIS_URL')! });

Deno.serve(async (request) => {
  const { symbol } = await request.json();
  const cached = await cache.get(`price:${symbol}`);
  if (cached !== null) return Response.json({ symbol, price: Number(cached), source: 'cache' });
  const answer = await fetch(`${Deno.env.get('MARKET_DATA_URL')}/quotes/${encodeURIComponent(symbol)}`);
  if (!answer.ok) return Response.json({ error: { code: 'no_price' } }, { status: 503 });
  const { price } = await answer.json();
  await cache.set(`price:${symbol}`, String(price), { EX: PRICE_TTL_S });
  return Response.json({ symbol, price, source: 'provider' });
});
