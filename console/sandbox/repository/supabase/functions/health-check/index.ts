// Whether what the functions stand on answers: database, cache, a market data provider.
Deno.serve(async () => {
  const checks = await Promise.all(
    ['SUPABASE_DB_HEALTH_URL', 'REDIS_HEALTH_URL', 'MARKET_DATA_URL'].map((name) =>
      fetch(Deno.env.get(name)!, { signal: AbortSignal.timeout(2000) }).then((r) => r.ok, () => false)
    ),
  );
  const ok = checks.every(Boolean);
  return Response.json({ function: 'health-check', status: ok ? 'ok' : 'error' }, { status: ok ? 200 : 503 });
});
