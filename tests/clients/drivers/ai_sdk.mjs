// Vercel's AI SDK with `@ai-sdk/openai-compatible`.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embedMany, generateText, jsonSchema, Output, streamText, tool } from "ai";
import { serve } from "./speaking.mjs";

const provider = ({ base }) =>
  createOpenAICompatible({ name: "fabula", baseURL: `${base}/v1`, includeUsage: true, supportsStructuredOutputs: true });

const asking = (asked) => {
  const { model, messages, max_tokens, temperature, seed, stop, schema, tools, must, timeout, retries = 0 } = asked;
  const system = messages?.filter((message) => message.role === "system").map((message) => message.content).join("\n");
  return {
    model: provider(asked).chatModel(model),
    ...(system && { instructions: system }),
    messages: messages?.filter((message) => message.role !== "system"),
    maxOutputTokens: max_tokens,
    temperature,
    seed,
    stopSequences: stop && [stop].flat(),
    maxRetries: retries,
    ...(timeout && { abortSignal: AbortSignal.timeout(timeout) }),
    ...(schema && { output: Output.object({ schema: jsonSchema(schema) }) }),
    ...(tools && {
      tools: Object.fromEntries(
        tools.map(({ name, description, parameters }) => [name, tool({ description, inputSchema: jsonSchema(parameters) })]),
      ),
    }),
    ...(must && { toolChoice: "required", providerOptions: { fabula: { parallel_tool_calls: false } } }),
  };
};

const said = ({ text, reasoningText, toolCalls, finishReason, usage }) => ({
  text,
  thought: reasoningText ?? "",
  calls: toolCalls.map(({ toolName, input }) => ({ name: toolName, arguments: input })),
  reason: finishReason,
  prompt_tokens: usage.inputTokens,
  completion_tokens: usage.outputTokens,
});

serve({
  chat: async (asked) => said(await generateText(asking(asked))),
  stream: async (asked) => {
    let failure;
    const result = streamText({ ...asking(asked), onError: ({ error }) => (failure = error) });
    let pieces = 0;
    for await (const _ of result.textStream) pieces += 1;
    if (failure) throw failure;
    const whole = {};
    for (const name of ["text", "reasoningText", "toolCalls", "finishReason", "usage"]) whole[name] = await result[name];
    return { ...said(whole), pieces };
  },
  complete: async (asked) => {
    const { prompt, max_tokens, temperature, seed } = asked;
    const model = provider(asked).completionModel(asked.model);
    const { text, finishReason } = await generateText({ model, prompt, maxOutputTokens: max_tokens, temperature, seed, maxRetries: 0 });
    return { text, reason: finishReason };
  },
  embed: async (asked) =>
    (await embedMany({ model: provider(asked).embeddingModel(asked.model), values: [asked.input].flat(), maxRetries: 0 })).embeddings,
  give_up: async (asked) => {
    const stop = new AbortController();
    const result = streamText({ ...asking(asked), abortSignal: stop.signal, onError: () => {} });
    for await (const _ of result.textStream) stop.abort();
    return { aborted: stop.signal.aborted };
  },
});
