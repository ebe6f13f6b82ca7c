// The npm client `@anthropic-ai/sdk`.
import Anthropic from "@anthropic-ai/sdk";
import { serve } from "./speaking.mjs";

const client = ({ base, timeout, retries = 0 }) =>
  new Anthropic({ baseURL: base, apiKey: "none", maxRetries: retries, timeout: timeout ?? 60_000 });

const body = ({ base, timeout, retries, messages, schema, tools, must, stop, ...asked }) => {
  const system = messages?.filter((message) => message.role === "system").map((message) => message.content).join("\n");
  return {
    ...asked,
    ...(system && { system }),
    messages: messages?.filter((message) => message.role !== "system"),
    ...(schema && { output_config: { format: { type: "json_schema", schema } } }),
    ...(stop && { stop_sequences: [stop].flat() }),
    ...(tools && {
      tools: tools.map(({ name, description, parameters }) => ({ name, description, input_schema: parameters })),
    }),
    ...(must && { tool_choice: { type: "any", disable_parallel_tool_use: true } }),
  };
};

const joined = (content, kind, name) =>
  content.filter((block) => block.type === kind).map((block) => block[name]).join("");

const said = ({ content, stop_reason, usage }) => ({
  text: joined(content, "text", "text"),
  thought: joined(content, "thinking", "thinking"),
  calls: content.filter((block) => block.type === "tool_use").map(({ name, input }) => ({ name, arguments: input })),
  reason: stop_reason,
  // Anthropic counts what came from the cache apart.
  prompt_tokens: usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0),
  completion_tokens: usage.output_tokens,
});

serve({
  models: async (asked) => {
    const ids = [];
    for await (const model of client(asked).models.list()) ids.push(model.id);
    return ids;
  },
  model: async (asked) => (await client(asked).models.retrieve(asked.model)).id,
  chat: async (asked) => said(await client(asked).messages.create(body(asked))),
  stream: async (asked) => {
    const stream = client(asked).messages.stream(body(asked));
    let pieces = 0;
    stream.on("text", () => (pieces += 1));
    return { ...said(await stream.finalMessage()), pieces };
  },
  count: async (asked) => {
    const { max_tokens, ...rest } = body(asked);
    return (await client(asked).messages.countTokens(rest)).input_tokens;
  },
  give_up: async (asked) => {
    const stream = client(asked).messages.stream(body(asked));
    stream.on("text", () => stream.abort());
    return stream.finalMessage().then(
      () => ({ aborted: false }),
      (failure) => ({ aborted: failure instanceof Anthropic.APIUserAbortError }),
    );
  },
});
