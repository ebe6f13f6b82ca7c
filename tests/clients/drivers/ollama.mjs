// The npm client `ollama`.
import { Ollama } from "ollama";
import { serve } from "./speaking.mjs";

const client = ({ base, timeout }) =>
  new Ollama({
    host: base,
    // The client has no time limit of its own: programs give it a fetch that has one.
    ...(timeout && { fetch: (url, init) => fetch(url, { ...init, signal: AbortSignal.timeout(timeout) }) }),
  });

const OPTIONS = { max_tokens: "num_predict", temperature: "temperature", seed: "seed", stop: "stop" };

const body = ({ base, timeout, schema, tools, ...asked }) => {
  const rest = Object.fromEntries(Object.entries(asked).filter(([name]) => !(name in OPTIONS)));
  const options = Object.entries(OPTIONS).filter(([name]) => name in asked).map(([name, theirs]) => [theirs, asked[name]]);
  return {
    ...rest,
    options: { ...Object.fromEntries(options), ...asked.options },
    ...(schema && { format: schema }),
    ...(tools && { tools: tools.map((tool) => ({ type: "function", function: tool })) }),
  };
};

const said = (answer, message) => ({
  text: message.content ?? "",
  thought: message.thinking ?? "",
  calls: (message.tool_calls ?? []).map(({ function: { name, arguments: said } }) => ({ name, arguments: said })),
  reason: answer.done_reason,
  prompt_tokens: answer.prompt_eval_count,
  completion_tokens: answer.eval_count,
});

async function whole(stream, take) {
  let last, pieces = 0;
  for await (last of stream) pieces += take(last) ? 1 : 0;
  return { last, pieces };
}

serve({
  version: async (asked) => (await client(asked).version()).version,
  models: async (asked) => (await client(asked).list()).models.map((model) => model.name),
  model: async (asked) => {
    const { details, capabilities, model_info } = await client(asked).show({ model: asked.model });
    return { details, capabilities, architecture: model_info["general.architecture"] };
  },
  running: async (asked) => (await client(asked).ps()).models.map((model) => model.name),
  chat: async (asked) => {
    const answer = await client(asked).chat(body(asked));
    return said(answer, answer.message);
  },
  stream: async (asked) => {
    const message = { content: "", thinking: "", tool_calls: [] };
    const { last, pieces } = await whole(await client(asked).chat({ ...body(asked), stream: true }), (part) => {
      message.content += part.message.content ?? "";
      message.thinking += part.message.thinking ?? "";
      message.tool_calls.push(...(part.message.tool_calls ?? []));
      return part.message.content;
    });
    return { ...said(last, message), pieces };
  },
  complete: async (asked) => {
    const answer = await client(asked).generate(body(asked));
    return { text: answer.response, reason: answer.done_reason };
  },
  stream_complete: async (asked) => {
    let text = "";
    await whole(await client(asked).generate({ ...body(asked), stream: true }), (part) => (text += part.response));
    return { text };
  },
  embed: async ({ input, ...asked }) => (await client(asked).embed({ model: asked.model, input })).embeddings,
  embed_one: async (asked) => (await client(asked).embeddings({ model: asked.model, prompt: asked.input })).embedding,
  copy: async (asked) => (await client(asked).copy({ source: asked.model, destination: asked.destination })).status,
  remove: async (asked) => (await client(asked).delete({ model: asked.model })).status,
  pull: async (asked) => {
    const told = [];
    await whole(await client(asked).pull({ model: asked.model, stream: true }), ({ status }) => told.push(status));
    return told;
  },
  give_up: async (asked) => {
    const stream = await client(asked).chat({ ...body(asked), stream: true });
    try {
      for await (const part of stream) if (part.message.content) stream.abort();
    } catch (failure) {
      return { aborted: failure.name === "AbortError" };
    }
    return { aborted: false };
  },
});
