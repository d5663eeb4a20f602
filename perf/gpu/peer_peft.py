"""Training steps of Hugging Face PEFT on random weights: the peer that `perf -- gpu` is held against.

Usage: python3 peer_peft.py --shape tinyllama|llama-7b --method lora|bone [--rows N] [--steps 10] [--compile] [--peak TFLOPS]
Needs torch, transformers and peft. Prints one JSON object. Weights are bf16 and frozen, adapters bf16 as PEFT makes them under autocast_adapter_dtype=False
(--fp32-adapters: fp32 adapters and bf16 autocast); AdamW (fused), clipping at 1, rows of 2048 tokens, every token a target.
"""
import argparse
import json
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM

SHAPES = {
    "tiny": (64, 2, 4, 4, 172, 256, 2, 64),
    "tinyllama": (2048, 22, 32, 4, 5632, 32000, 4, 2048),
    "llama-7b": (4096, 32, 32, 32, 11008, 32000, 2, 2048),
}
LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def adapter(method, r):
    import peft

    if method == "lora":
        return peft.LoraConfig(r=r, lora_alpha=2 * r, target_modules=LINEARS, task_type="CAUSAL_LM")
    # Newer releases call the same method MiSS.
    config = getattr(peft, "MissConfig", None) or peft.BoneConfig
    return config(r=r, target_modules=LINEARS, task_type="CAUSAL_LM")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shape", choices=SHAPES, default="tinyllama")
    parser.add_argument("--method", choices=["lora", "bone"], default="lora")
    parser.add_argument("--r", type=int)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--fp32-adapters", action="store_true")
    parser.add_argument("--peak", type=float)
    parser.add_argument("--device", default="cuda")
    args = parser.parse_args()
    import peft
    import transformers

    hidden, layers, heads, kv, wide, vocab, rows, length = SHAPES[args.shape]
    rows = args.rows or rows
    r = args.r or (16 if args.method == "lora" else 64)
    torch.manual_seed(1)
    config = LlamaConfig(
        hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=kv, intermediate_size=wide, vocab_size=vocab,
        max_position_embeddings=4096, attn_implementation="sdpa", use_cache=False,
    )
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(args.device):
        model = LlamaForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    matrices = sum(p.numel() for n, p in model.named_parameters() if p.dim() == 2 and "embed_tokens" not in n)
    model = peft.get_peft_model(model, adapter(args.method, r), autocast_adapter_dtype=args.fp32_adapters)
    model.train()
    trainable = [p for p in model.parameters() if p.requires_grad]
    on_gpu = args.device.startswith("cuda")
    optimizer = torch.optim.AdamW(trainable, lr=1e-3, weight_decay=0.01, fused=on_gpu)
    if args.compile:
        model = torch.compile(model)
    ids = torch.randint(vocab, (rows, length), device=args.device)
    synchronize = torch.cuda.synchronize if on_gpu else lambda: None
    times = []
    for step in range(args.steps + 4):
        if step == 4 and on_gpu:
            torch.cuda.reset_peak_memory_stats()
        synchronize()
        start = time.perf_counter()
        with torch.autocast(args.device.split(":")[0], torch.bfloat16, enabled=args.fp32_adapters):
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainable, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        synchronize()
        if step >= 4:
            times.append(time.perf_counter() - start)
    median = sorted(times)[len(times) // 2]
    speed = rows * length / median
    print(json.dumps({
        "part": "peer",
        "name": "PEFT " + ("compiled" if args.compile else "eager"),
        "Shape": args.shape,
        "Method": f"{args.method} r={r}",
        "Trainable": sum(p.numel() for p in trainable),
        "Milliseconds": 1000 * median,
        "TokensPerSecond": speed,
        "FlopsPerToken": 4 * matrices,
        "PeakShare": speed * 4 * matrices / (args.peak * 1e12) if args.peak else None,
        "PeakMib": torch.cuda.max_memory_allocated() / 2**20 if on_gpu else None,
        "ReservedMib": torch.cuda.max_memory_reserved() / 2**20 if on_gpu else None,
        "Loss": loss.item(),
        "versions": f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}",
    }))


if __name__ == "__main__":
    main()
