// One line of JSON per request on stdin, one per answer on stdout, each with its number; several may be
// under way. Knows no client.
import { createInterface } from "node:readline";

export function serve(acts) {
  const lines = createInterface({ input: process.stdin });
  lines.on("line", async (line) => {
    const { id, act, asked } = JSON.parse(line);
    const answer = await acts[act](asked).then(
      (said) => ({ said }),
      (failure) => ({ failure: told(failure) }),
    );
    process.stdout.write(JSON.stringify({ id, ...answer }) + "\n");
  });
}

// What a program that uses the client gets to see of a failure.
export function told(failure) {
  const inner = failure.lastError ?? failure; // the AI SDK wraps what it tried
  return {
    kind: failure.constructor.name,
    name: failure.name,
    message: String(failure.message),
    status: inner.status ?? inner.statusCode ?? inner.status_code ?? null,
    code: inner.code ?? inner.data?.error?.code ?? null,
    param: inner.param ?? null,
    type: inner.type ?? null,
    body: inner.responseBody ?? null,
  };
}
