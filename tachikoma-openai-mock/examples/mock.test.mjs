// Tests of code that calls OpenAI, with vitest and OpenAI's own library against tachikoma-openai-mock.
//
//     npm install vitest openai
//     cargo install tachikoma-openai-mock      # or name the program in TACHIKOMA_OPENAI_MOCK
//     npx vitest run mock.test.mjs

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

import OpenAI, { BadRequestError, RateLimitError } from "openai";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";

const model = "gpt-4o";
const weather = {
  type: "function",
  function: {
    name: "get_weather",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

let server, baseURL, client;

/** Controls the running server over HTTP. */
async function control(method, path, body) {
  const url = baseURL.replace(/\/v1$/, `/mock/${path}`);
  const response = await fetch(url, { method, body: body && JSON.stringify(body) });
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return text ? JSON.parse(text) : undefined;
}

const script = (...replies) => control("PUT", "script", { replies });
const requests = () => control("GET", "requests");
const ask = (content, options = {}, requestOptions = {}) =>
  client.chat.completions.create({ model, messages: [{ role: "user", content }], ...options }, requestOptions);

beforeAll(async () => {
  const program = process.env.TACHIKOMA_OPENAI_MOCK ?? "tachikoma-openai-mock";
  server = spawn(program, ["--port", "0", "--chunk-delay", "0s"], { stdio: ["ignore", "pipe", "inherit"] });
  // The first line is "Listening on http://127.0.0.1:PORT/v1".
  const [line] = await once(createInterface({ input: server.stdout }), "line");
  baseURL = line.split(" ").at(-1);
  client = new OpenAI({ baseURL, apiKey: "sk-any-key" });
});

// No test sees the script or the requests of another.
beforeEach(() => control("POST", "reset"));

afterAll(async () => {
  server.kill();
  const [code] = await once(server, "exit");
  expect(code).toBe(0);
});

test("a plain reply", async () => {
  await script({ text: "Oslo is the capital of Norway." });
  const completion = await ask("Capital of Norway?");
  expect(completion.choices[0].message.content).toBe("Oslo is the capital of Norway.");
});

test("a stream", async () => {
  await script({ text: "One two three." }, { text: "Four five." });
  let text = "";
  for await (const chunk of await ask("Count", { stream: true })) text += chunk.choices[0].delta.content ?? "";
  expect(text).toBe("One two three.");

  const response = await client.responses.stream({ model, input: "Go on" }).finalResponse();
  expect(response.output_text).toBe("Four five.");
});

test("a tool call", async () => {
  // The order does not matter: each request gets the first reply that it matches.
  await script(
    { match: { tool_result: true }, text: "It is sunny in Oslo." },
    { tool_calls: [{ name: "get_weather", arguments: { city: "Oslo" } }] },
  );
  const messages = [{ role: "user", content: "Weather in Oslo?" }];
  const first = await client.chat.completions.create({ model, messages, tools: [weather] });
  const { finish_reason, message } = first.choices[0];
  expect(finish_reason).toBe("tool_calls");
  const [call] = message.tool_calls;
  expect(JSON.parse(call.function.arguments)).toEqual({ city: "Oslo" });

  messages.push(message, { role: "tool", tool_call_id: call.id, content: "sunny" });
  const second = await client.chat.completions.create({ model, messages, tools: [weather] });
  expect(second.choices[0].message.content).toBe("It is sunny in Oslo.");
});

test("a rate limit is retried", async () => {
  await script(
    {
      error: { status: 429, code: "rate_limit_exceeded", message: "Slow down." },
      headers: { "retry-after-ms": "10", "retry-after": "1" },
    },
    { text: "Here I am." },
  );
  expect((await ask("hi")).choices[0].message.content).toBe("Here I am.");
  expect(await requests()).toHaveLength(2);

  await script({ error: { status: 429, code: "insufficient_quota" }, headers: { "retry-after": "1" } });
  const error = await ask("hi", {}, { maxRetries: 0 }).catch((error) => error);
  expect(error).toBeInstanceOf(RateLimitError);
  expect(error.code).toBe("insufficient_quota");
  expect(error.headers.get("retry-after")).toBe("1");
});

test("what the client has sent", async () => {
  await ask("Hello", { temperature: 0, user: "ada" });
  const [request, ...others] = await requests();
  expect(others).toEqual([]);
  expect(request).toMatchObject({
    method: "POST",
    path: "/v1/chat/completions",
    headers: { authorization: "Bearer ***" },
    body: { temperature: 0, user: "ada" },
  });
});

test("a broken stream", async () => {
  await script({ text: "One two three.", fault: "truncate=2,reset" });
  const stream = await ask("Count", { stream: true });
  const read = async () => {
    for await (const _ of stream);
  };
  await expect(read()).rejects.toThrow();
});

test("a request that OpenAI would refuse", async () => {
  const error = await ask("hi", { temprature: 0 }).catch((error) => error);
  expect(error).toBeInstanceOf(BadRequestError);
  expect(error.message).toContain("Unrecognized request argument supplied: temprature");
});
