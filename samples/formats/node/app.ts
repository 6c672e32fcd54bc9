// The program of these samples: a cache that keeps every session.
interface Session { id: number; body: string[] }
const sessions = new Map<number, Session>();
export function openSession(id: number): Session {
  const session: Session = { id, body: new Array(64).fill("entry-" + id) };
  sessions.set(id, session);
  return session;
}
export function serve(rounds: number): number {
  for (let id = 0; id < rounds; id++) openSession(id);
  return sessions.size;
}
