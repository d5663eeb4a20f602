"""One training step of the Llama shape of perf/README.md in PyTorch eager: the peer that `perf -- step` is held against.

Usage: OMP_WAIT_POLICY=PASSIVE python3 torch_step.py METHOD [--threads 2] [--steps 8] [--json]
METHOD: lora (r 16), bone (r 64), bat (r 32), full. Frozen weights are fp32; adapters as the PEFT library computes them.
"""
import argparse
import json
import math
import resource
import time

import torch
import torch.nn.functional as F
from torch import nn

HIDDEN, LAYERS, HEADS, FFN, VOCAB, BATCH, LENGTH = 512, 8, 8, 1376, 8192, 4, 256


class Lora(nn.Module):
    def __init__(self, inputs, outputs, r=16, alpha=32):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) * 0.02, requires_grad=False)
        self.a = nn.Parameter(torch.empty(r, inputs).uniform_(-1, 1) / math.sqrt(inputs))
        self.b = nn.Parameter(torch.zeros(outputs, r))
        self.scale = alpha / r

    def forward(self, x):
        return F.linear(x, self.weight) + F.linear(F.linear(x, self.a), self.b) * self.scale


class Bone(nn.Module):
    def __init__(self, inputs, outputs, r=64):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) * 0.02, requires_grad=False)
        self.block = nn.Parameter(torch.zeros(r, outputs))
        self.r = r

    def forward(self, x):
        pad = -x.size(-1) % self.r
        blocks = F.pad(x, (0, pad)) if pad else x
        sums = blocks.reshape(*x.shape[:-1], -1, self.r).sum(dim=-2)
        return F.linear(x, self.weight) + sums @ self.block


class Bat(nn.Module):
    def __init__(self, inputs, outputs, r=32):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) * 0.02, requires_grad=False)
        self.block = nn.Parameter(torch.zeros(outputs // r, r, r))
        self.r = r

    def forward(self, x):
        outputs, inputs = self.weight.shape
        w = self.weight.reshape(outputs // self.r, self.r, inputs // self.r, self.r).permute(0, 2, 1, 3)
        d = self.block.unsqueeze(1)
        w = w + w @ d + d
        return F.linear(x, w.permute(0, 2, 1, 3).reshape(outputs, inputs))


class Full(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) * 0.02)

    def forward(self, x):
        return F.linear(x, self.weight)


class RmsNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(HIDDEN))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight


def rotate(x, cos, sin):
    a, b = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-b, a), dim=-1) * sin


class Block(nn.Module):
    def __init__(self, linear):
        super().__init__()
        self.q, self.k, self.v, self.o = (linear(HIDDEN, HIDDEN) for _ in range(4))
        self.gate, self.up, self.down = linear(HIDDEN, FFN), linear(HIDDEN, FFN), linear(FFN, HIDDEN)
        self.norm1, self.norm2 = RmsNorm(), RmsNorm()

    def forward(self, x, cos, sin, mask):
        h = self.norm1(x)
        q, k, v = (p(h).view(BATCH, LENGTH, HEADS, -1).transpose(1, 2) for p in (self.q, self.k, self.v))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        p = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.size(-1)) + mask, dim=-1)
        x = x + self.o((p @ v).transpose(1, 2).reshape(BATCH, LENGTH, HIDDEN))
        h = self.norm2(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Llama(nn.Module):
    def __init__(self, linear):
        super().__init__()
        self.embedding = nn.Embedding(VOCAB, HIDDEN)
        self.blocks = nn.ModuleList(Block(linear) for _ in range(LAYERS))
        self.norm = RmsNorm()
        self.head = nn.Linear(HIDDEN, VOCAB, bias=False)
        d = HIDDEN // HEADS
        angles = torch.outer(torch.arange(LENGTH).float(), 10000.0 ** (-torch.arange(0, d, 2).float() / d)).repeat(1, 2)
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())
        self.register_buffer("mask", torch.full((LENGTH, LENGTH), float("-inf")).triu(1))

    def forward(self, ids):
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x, self.cos, self.sin, self.mask)
        return self.head(self.norm(x))


def measure(model, args, warm_up):
    """Times optimizer steps on random tokens and prints the figures."""
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=1e-3, weight_decay=0.01)
    ids = torch.randint(VOCAB, (BATCH, LENGTH))
    times = []
    for step in range(args.steps + warm_up):
        start = time.perf_counter()
        logits = model(ids)
        loss = F.cross_entropy(logits[:, :-1].reshape(-1, VOCAB), ids[:, 1:].reshape(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainable, 1.0)
        optimizer.step()
        if step >= warm_up:
            times.append(time.perf_counter() - start)
    times.sort()
    median = times[len(times) // 2]
    result = {
        "method": args.method,
        "trainable": sum(p.numel() for p in trainable),
        "milliseconds": 1000 * median,
        "tokens_per_second": BATCH * LENGTH / median,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "loss": loss.item(),
        "torch": torch.__version__,
    }
    print(json.dumps(result) if args.json else "\n".join(f"{k}: {v}" for k, v in result.items()))



def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("method", choices=["lora", "bone", "bat", "full"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(args.threads)
    model = Llama({"lora": Lora, "bone": Bone, "bat": Bat, "full": Full}[args.method])
    if args.method != "full":
        adapters = (Lora, Bone, Bat)
        for p in model.parameters():
            p.requires_grad_(False)
        for module in model.modules():
            if isinstance(module, adapters):
                for name, p in module.named_parameters():
                    p.requires_grad_(name != "weight")
    measure(model, args, warm_up=2)

if __name__ == "__main__":
    main()
