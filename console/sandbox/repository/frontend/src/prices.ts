export function connect(onPrice: (symbol: string, price: number) => void): WebSocket {
  const socket = new WebSocket('/realtime');
  socket.onmessage = (message) => {
    const { prices } = JSON.parse(message.data);
    for (const [symbol, price] of Object.entries<number>(prices ?? {})) onPrice(symbol, price);
  };
  return socket;
}
