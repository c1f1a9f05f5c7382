// Places one order: checks, price, venue, then execute_order_atomic, which writes all of it or nothing.
import { createClient } from 'npm:@supabase/supabase-js@2.45.4';

// A market order whose fill is further than this from its quote is refused.
export const MAX_SLIPPAGE_BPS = 25;
export const LARGEST_QUANTITY = 1_000_000;
export const LARGEST_PRICE = 10_000_000;
// Of one address, over all functions.
export const RATE_LIMIT_PER_MIN = 300;
export const RATE_LIMIT_BURST = 20;

const service = createClient(Deno.env.get('SUPABASE_URL')!, Deno.env.get('SUPABASE_SERVICE_ROLE_KEY')!);

Deno.serve(async (request) => {
  const token = request.headers.get('authorization')?.replace(/^Bearer /i, '') ?? '';
  const { data: session, error } = await service.auth.getUser(token);
  if (error) return Response.json({ error: { code: 'not_authenticated' } }, { status: 401 });
  const order = await request.json();
  if (!(order.quantity > 0 && order.quantity <= LARGEST_QUANTITY)) {
    return Response.json({ error: { code: 'invalid_quantity' } }, { status: 422 });
  }
  if (order.price != null && !(order.price > 0 && order.price <= LARGEST_PRICE)) {
    return Response.json({ error: { code: 'invalid_price' } }, { status: 422 });
  }
  const quote = await priceOf(order.symbol);
  const fill = await venue(order, quote);
  const slippage = (order.side === 'buy' ? fill / quote - 1 : 1 - fill / quote) * 10_000;
  const limit = slippage > MAX_SLIPPAGE_BPS ? quote : (order.price ?? null);
  const { data } = await service.rpc('execute_order_atomic', {
    p_user_id: session.user.id, p_symbol: order.symbol, p_order_type: order.order_type, p_side: order.side,
    p_quantity: order.quantity, p_price: limit, p_market_price: fill, p_idempotency_key: order.idempotency_key,
  });
  return Response.json(data, { status: data.outcome === 'executed' ? 200 : 422 });
});

async function priceOf(symbol: string): Promise<number> {
  const { data } = await service.functions.invoke('get-stock-price', { body: { symbol } });
  return data.price;
}

async function venue(order: { side: string; quantity: number }, quote: number): Promise<number> {
  const answer = await fetch(Deno.env.get('VENUE_URL')!, { method: 'POST', body: JSON.stringify({ ...order, quote }) });
  return (await answer.json()).fill;
}
