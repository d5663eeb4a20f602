"""One training step of the RWKV shapes of perf/README.md in PyTorch eager, with a plain loop over time: the peer of `perf -- step --model rwkv7`.

Usage: OMP_WAIT_POLICY=PASSIVE python3 torch_rwkv.py {rwkv6,rwkv7} METHOD [--threads 2] [--steps 3] [--json]
METHOD: lora (r 16 on all linear layers) or full. fp32.
"""
import argparse
import math

import torch
import torch.nn.functional as F
from torch import nn

from torch_step import BATCH, HIDDEN, LAYERS, LENGTH, VOCAB, Full, Lora, measure

HEAD = 64
HEADS = HIDDEN // HEAD


def low(*shape):
    return nn.Parameter(torch.randn(*shape) * 0.02)


def vector(value=0.5):
    return nn.Parameter(torch.full((HIDDEN,), value))


def shifted(z):
    return F.pad(z, (0, 0, 1, -1)) - z


def heads(x):
    return x.view(BATCH, LENGTH, HEADS, HEAD)


def group_norm(norm, y):
    return norm(y.reshape(BATCH * LENGTH, HIDDEN)).view(BATCH, LENGTH, HIDDEN)


class TimeMixing7(nn.Module):
    def __init__(self, index, linear):
        super().__init__()
        self.first = index == 0
        for name in "rwkvag":
            setattr(self, f"x_{name}", vector())
        self.w0, self.w1, self.w2 = vector(-2.0), low(HIDDEN, 64), low(64, HIDDEN)
        self.a0, self.a1, self.a2 = vector(), low(HIDDEN, 64), low(64, HIDDEN)
        self.v0, self.v1, self.v2 = vector(), low(HIDDEN, 32), low(32, HIDDEN)
        self.g1, self.g2 = low(HIDDEN, 128), low(128, HIDDEN)
        self.k_k, self.k_a, self.r_k = vector(0.7), vector(1.0), nn.Parameter(torch.full((HEADS, HEAD), -0.04))
        self.receptance, self.key, self.value, self.output = (linear(HIDDEN, HIDDEN) for _ in range(4))
        self.norm = nn.GroupNorm(HEADS, HIDDEN, eps=64e-5)

    def forward(self, z, v_first):
        d = shifted(z)
        r = self.receptance(z + d * self.x_r)
        w = torch.exp(-math.exp(-0.5) * torch.sigmoid(self.w0 + torch.tanh((z + d * self.x_w) @ self.w1) @ self.w2))
        k = self.key(z + d * self.x_k)
        xv = z + d * self.x_v
        v = self.value(xv)
        if self.first:
            v_first = v
        else:
            v = v + (v_first - v) * torch.sigmoid(self.v0 + (xv @ self.v1) @ self.v2)
        a = torch.sigmoid(self.a0 + ((z + d * self.x_a) @ self.a1) @ self.a2)
        g = torch.sigmoid((z + d * self.x_g) @ self.g1) @ self.g2
        kk = F.normalize(heads(k * self.k_k), dim=-1)
        k = k * (1 + (a - 1) * self.k_a)
        r, w, k, v, a = (heads(x) for x in (r, w, k, v, a))
        remove, take = -kk, kk * a
        state = torch.zeros(BATCH, HEADS, HEAD, HEAD)
        out = []
        for t in range(LENGTH):
            state = (state * w[:, t, :, None, :] + (state @ remove[:, t, :, :, None]) @ take[:, t, :, None, :]
                     + v[:, t, :, :, None] @ k[:, t, :, None, :])
            out.append(state @ r[:, t, :, :, None])
        y = group_norm(self.norm, torch.stack(out, 1).squeeze(-1))
        y = y + ((r * k * self.r_k).sum(-1, keepdim=True) * v).reshape(BATCH, LENGTH, HIDDEN)
        return self.output(y * g), v_first


class ChannelMixing7(nn.Module):
    def __init__(self, linear):
        super().__init__()
        self.x_k = vector()
        self.key, self.value = linear(HIDDEN, 4 * HIDDEN), linear(4 * HIDDEN, HIDDEN)

    def forward(self, z):
        return self.value(torch.relu(self.key(z + shifted(z) * self.x_k)) ** 2)


class TimeMixing6(nn.Module):
    def __init__(self, index, linear):
        super().__init__()
        self.maa_x = vector()
        self.maa = nn.Parameter(torch.full((5, 1, 1, HIDDEN), 0.5))
        self.maa_w1, self.maa_w2 = low(HIDDEN, 160), low(5, 32, HIDDEN)
        self.decay, self.decay_w1, self.decay_w2 = vector(-3.0), low(HIDDEN, 64), low(64, HIDDEN)
        self.bonus = nn.Parameter(torch.full((HEADS, HEAD), 0.1))
        self.receptance, self.key, self.value, self.output, self.gate = (linear(HIDDEN, HIDDEN) for _ in range(5))
        self.norm = nn.GroupNorm(HEADS, HIDDEN, eps=64e-5)

    def forward(self, z, v_first):
        d = shifted(z)
        mixes = torch.tanh((z + d * self.maa_x) @ self.maa_w1).view(BATCH * LENGTH, 5, 32).transpose(0, 1)
        xw, xk, xv, xr, xg = z + d * (self.maa + torch.bmm(mixes, self.maa_w2).view(5, BATCH, LENGTH, HIDDEN))
        r, k, v, g = self.receptance(xr), self.key(xk), self.value(xv), F.silu(self.gate(xg))
        w = torch.exp(-torch.exp(self.decay + torch.tanh(xw @ self.decay_w1) @ self.decay_w2))
        r, w, k, v = (heads(x) for x in (r, w, k, v))
        state = torch.zeros(BATCH, HEADS, HEAD, HEAD)
        out = []
        for t in range(LENGTH):
            kv = v[:, t, :, :, None] @ k[:, t, :, None, :]
            out.append((state + kv * self.bonus[:, None, :]) @ r[:, t, :, :, None])
            state = state * w[:, t, :, None, :] + kv
        return self.output(group_norm(self.norm, torch.stack(out, 1).squeeze(-1)) * g), v_first


class ChannelMixing6(nn.Module):
    def __init__(self, linear):
        super().__init__()
        width = int(3.5 * HIDDEN) // 32 * 32
        self.maa_k, self.maa_r = vector(), vector()
        self.key, self.value, self.receptance = linear(HIDDEN, width), linear(width, HIDDEN), linear(HIDDEN, HIDDEN)

    def forward(self, z):
        d = shifted(z)
        return torch.sigmoid(self.receptance(z + d * self.maa_r)) * self.value(torch.relu(self.key(z + d * self.maa_k)) ** 2)


class Rwkv(nn.Module):
    def __init__(self, version, linear):
        super().__init__()
        time_mixing, channel_mixing = (TimeMixing7, ChannelMixing7) if version == "rwkv7" else (TimeMixing6, ChannelMixing6)
        self.embedding, self.norm0 = nn.Embedding(VOCAB, HIDDEN), nn.LayerNorm(HIDDEN)
        self.time = nn.ModuleList(time_mixing(i, linear) for i in range(LAYERS))
        self.channel = nn.ModuleList(channel_mixing(linear) for _ in range(LAYERS))
        self.norm1 = nn.ModuleList(nn.LayerNorm(HIDDEN) for _ in range(LAYERS))
        self.norm2 = nn.ModuleList(nn.LayerNorm(HIDDEN) for _ in range(LAYERS))
        self.norm, self.head = nn.LayerNorm(HIDDEN), nn.Linear(HIDDEN, VOCAB, bias=False)

    def forward(self, ids):
        x, v_first = self.norm0(self.embedding(ids)), None
        for i in range(LAYERS):
            mixed, v_first = self.time[i](self.norm1[i](x), v_first)
            x = x + mixed
            x = x + self.channel[i](self.norm2[i](x))
        return self.head(self.norm(x))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("version", choices=["rwkv6", "rwkv7"])
    parser.add_argument("method", choices=["lora", "full"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(args.threads)
    model = Rwkv(args.version, {"lora": Lora, "full": Full}[args.method])
    if args.method == "lora":
        for p in model.parameters():
            p.requires_grad_(False)
        for module in model.modules():
            if isinstance(module, Lora):
                module.a.requires_grad_(True)
                module.b.requires_grad_(True)
    measure(model, args, warm_up=1)

if __name__ == "__main__":
    main()
