// Runs llama.cpp (node-llama-cpp) on files that Marrow wrote. A request and an answer are one line of JSON each:
//   {"model": path, "lora": [{"path": path, "scale": 1}], "tokens": [ids], "texts": [strings], "greedy": count}
//   {"logits": [[...] per token], "ids": [[...] per text], "greedy": [ids], "architecture": name}   or   {"error": text}
import {createInterface} from "node:readline";
import {getLlama, LlamaLogLevel} from "node-llama-cpp";

const llama = await getLlama({gpu: false, build: "never", logLevel: LlamaLogLevel.error, logger: (level, message) => process.stderr.write(`${level}: ${message}\n`)});

async function answer({model: modelPath, lora = [], tokens = [], texts = [], greedy = 0}) {
    const model = await llama.loadModel({modelPath, gpuLayers: 0, vocabOnly: tokens.length === 0});
    let context;
    try {
        const ids = texts.map((text) => model.tokenize(text, false));
        if (tokens.length === 0)
            return {ids};
        context = await model.createContext({
            contextSize: Math.max(64, tokens.length + greedy + 8), threads: 1, flashAttention: false, experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32",
            lora: lora.length === 0 ? undefined : {adapters: lora.map(({path, scale}) => ({filePath: path, scale}))}
        });
        const sequence = context.getSequence();
        const step = async (input) => {
            const outputs = await sequence.controlledEvaluate(input.map((token) => [token, {generateNext: {logits: true}}]));
            return outputs.map(({next}) => {
                const row = [];
                for (const [token, logit] of next.logits)
                    row[token] = logit;
                return row;
            });
        };
        const logits = await step(tokens);
        const chosen = [];
        for (let last = logits.at(-1); chosen.length < greedy; [last] = await step([chosen.at(-1)]))
            chosen.push(last.indexOf(Math.max(...last)));
        return {logits, ids, greedy: chosen, architecture: model.fileInfo.metadata.general.architecture};
    } finally {
        await context?.dispose();
        await model.dispose();
    }
}

for await (const line of createInterface({input: process.stdin})) {
    let reply;
    try {
        reply = await answer(JSON.parse(line));
    } catch (error) {
        reply = {error: String(error?.message ?? error)};
    }
    process.stdout.write(JSON.stringify(reply) + "\n");
}
process.exit(0);
