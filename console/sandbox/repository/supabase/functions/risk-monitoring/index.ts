// The caller's margin and exposure, through row level security.
import { createClient } from 'npm:@supabase/supabase-js@2.45.4';

Deno.serve(async (request) => {
  const client = createClient(Deno.env.get('SUPABASE_URL')!, Deno.env.get('SUPABASE_ANON_KEY')!, {
    global: { headers: { authorization: request.headers.get('authorization') ?? '' } },
  });
  const { data: profile } = await client.from('profiles').select('balance, equity, margin_used').single();
  const { data: open } = await client.from('positions').select('quantity, current_price').eq('status', 'open');
  const exposure = (open ?? []).reduce((sum, p) => sum + p.quantity * p.current_price, 0);
  return Response.json({ ...profile, open_positions: open?.length ?? 0, exposure });
});
