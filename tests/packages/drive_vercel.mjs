// Runs the cases of one configuration with the Vercel AI SDK: `node drive_vercel.mjs ENVIRONMENT JOB.json`.
//
// The counterpart of drive.py: the job names the cases, the spans go to the address in the environment, and when each case
// began and ended, and by which error, is written into the file that the job names.

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const BETWEEN_CASES_MS = 30; // so that the spans of one case do not touch those of the next
const TOOL_STEPS_MAX = 3;

const [environment, jobFile] = process.argv.slice(2);
const require = createRequire(join(environment, "package.json"));
const job = JSON.parse(readFileSync(jobFile, "utf-8"));

const { NodeSDK } = require("@opentelemetry/sdk-node");
const { createAnthropic } = require("@ai-sdk/anthropic");
const { createOpenAI } = require("@ai-sdk/openai");
const { embed, generateText, stepCountIs, streamText, tool } = require("ai");
const { z } = require("zod");

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const epochNs = () => Math.round((performance.timeOrigin + performance.now()) * 1e6);

function model(item) {
  if (item.api === "anthropic") {
    return createAnthropic({ baseURL: `${job.url}/${item.path}/v1`, apiKey: "none" })(job.models.anthropic);
  }
  const provider = createOpenAI({ baseURL: `${job.url}/${item.path}/v1`, apiKey: "none" });
  if (item.does === "embed") return provider.embedding(job.embedding_model);
  return item.does === "responses" ? provider.responses(job.models.openai) : provider.chat(job.models.openai);
}

async function run(item) {
  const common = {
    model: model(item),
    maxRetries: 0,
    experimental_telemetry: { isEnabled: true, metadata: { sessionId: item.session } },
  };
  if (item.does === "embed") return void (await embed({ ...common, value: item.question }));
  const options = { ...common, prompt: item.question };
  if (item.has_tool) {
    const execute = async ({ word }) => `${word} is a limit`;
    const description = "Looks a word up.";
    options.tools = { [job.tool]: tool({ description, inputSchema: z.object({ word: z.string() }), execute }) };
    options.stopWhen = stepCountIs(TOOL_STEPS_MAX);
  }
  if (!item.is_streaming) return void (await generateText(options));
  let failure;
  const answer = streamText({ ...options, onError: ({ error }) => (failure = error) });
  await answer.consumeStream({ onError: (error) => (failure ??= error) });
  if (failure) throw failure;
}

const sdk = new NodeSDK();
sdk.start();
const ran = [];
for (const item of job.cases) {
  await sleep(BETWEEN_CASES_MS);
  const began_ns = epochNs();
  let error = "";
  try {
    await run(item);
  } catch (thrown) {
    if (!item.fault) throw thrown;
    error = `${thrown.name}: ${thrown.message}`;
  }
  if (item.number) ran.push({ number: item.number, began_ns, ended_ns: epochNs(), error });
}
await sdk.shutdown();
writeFileSync(job.out, JSON.stringify(ran));
