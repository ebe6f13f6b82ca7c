// The npm client `openai`.
import OpenAI from "openai";
import { serve } from "./speaking.mjs";

const client = ({ base, timeout, retries = 0 }) =>
  new OpenAI({ baseURL: `${base}/v1`, apiKey: "none", maxRetries: retries, timeout: timeout ?? 60_000 });

const body = ({ base, timeout, retries, schema, tools, must, ...asked }) => ({
  ...asked,
  ...(schema && { response_format: { type: "json_schema", json_schema: { name: "form", schema, strict: true } } }),
  ...(tools && { tools: tools.map((tool) => ({ type: "function", function: tool })) }),
  ...(must && { tool_choice: "required", parallel_tool_calls: false }),
});

const calls = (message) =>
  (message.tool_calls ?? []).map(({ function: { name, arguments: said } }) => ({ name, arguments: JSON.parse(said) }));

const said = (message, reason, usage) => ({
  text: message.content ?? "",
  thought: message.reasoning_content ?? "",
  calls: calls(message),
  reason,
  prompt_tokens: usage.prompt_tokens,
  completion_tokens: usage.completion_tokens,
});

serve({
  models: async (asked) => {
    const ids = [];
    for await (const model of client(asked).models.list()) ids.push(model.id);
    return ids;
  },
  model: async (asked) => (await client(asked).models.retrieve(asked.model)).id,
  chat: async (asked) => {
    const { choices, usage } = await client(asked).chat.completions.create(body(asked));
    return said(choices[0].message, choices[0].finish_reason, usage);
  },
  stream: async (asked) => {
    const runner = client(asked).chat.completions.stream({ ...body(asked), stream_options: { include_usage: true } });
    let pieces = 0;
    let thought = ""; // the helper keeps only the last piece of fields that OpenAI's API does not know
    runner.on("content", () => (pieces += 1));
    runner.on("chunk", ({ choices }) => (thought += choices[0]?.delta.reasoning_content ?? ""));
    const { choices, usage } = await runner.finalChatCompletion();
    return { ...said(choices[0].message, choices[0].finish_reason, usage), thought, pieces };
  },
  complete: async (asked) => {
    const { choices } = await client(asked).completions.create(body(asked));
    return { text: choices[0].text, reason: choices[0].finish_reason };
  },
  stream_complete: async (asked) => {
    let text = "";
    for await (const chunk of await client(asked).completions.create({ ...body(asked), stream: true })) {
      text += chunk.choices[0]?.text ?? "";
    }
    return { text };
  },
  respond: async (asked) => {
    const { base, timeout, ...rest } = asked;
    const answer = await client(asked).responses.create(rest);
    return { text: answer.output_text, reason: answer.status };
  },
  stream_respond: async (asked) => {
    const { base, timeout, ...rest } = asked;
    const kinds = new Set();
    let text = "";
    for await (const event of await client(asked).responses.create({ ...rest, stream: true })) {
      kinds.add(event.type);
      if (event.type === "response.output_text.delta") text += event.delta;
    }
    return { text, kinds: [...kinds] };
  },
  // Without encoding_format the client asks for base64 and decodes it.
  embed: async ({ input, encoding_format, ...asked }) => {
    const { data } = await client(asked).embeddings.create({ model: asked.model, input, encoding_format });
    return data.map((row) => [...row.embedding]);
  },
  give_up: async (asked) => {
    const stream = await client(asked).chat.completions.create({ ...body(asked), stream: true });
    for await (const chunk of stream) {
      if (chunk.choices[0].delta.content) break; // leaving the loop aborts the request
    }
    return { aborted: stream.controller.signal.aborted };
  },
});
