using Marrow.Formats.HuggingFace;
using Marrow.Formats.Rwkv;

namespace Marrow.Formats.Gguf.Architectures;

/// <summary>rwkv6 (spec/architectures.md §5.2). Files may hold the two matrices that write to the residual stream divided by a power of two that grows every few blocks.</summary>
public sealed class Rwkv6Gguf : RwkvGguf
{
    private const string Every = "rescale_every_n_layers";

    internal Rwkv6Gguf()
        : base("rwkv6", Table(
        [
            new("att.time_maa_x", "time_mix_lerp_x.weight", GgufForm.Vector),
            .. "wkvrg".Select((c, i) => new GgufRule($"att.time_maa_{c}", "time_mix_lerp_fused.weight", GgufForm.Part, i, 5)),
            // Older files have them apart.
            .. "wkvrg".Select(c => new GgufRule($"att.time_maa_{c}", $"time_mix_lerp_{c}.weight", GgufForm.Vector)),
            new("att.time_maa_w1", "time_mix_w1.weight", GgufForm.Transposed), new("att.time_maa_w2", "time_mix_w2.weight", GgufForm.Transposed),
            new("att.time_decay", "time_mix_decay.weight", GgufForm.Vector),
            new("att.time_decay_w1", "time_mix_decay_w1.weight", GgufForm.Transposed), new("att.time_decay_w2", "time_mix_decay_w2.weight", GgufForm.Transposed),
            new("att.time_faaaa", "time_mix_first.weight", GgufForm.Heads), new("att.gate.weight", "time_mix_gate.weight"),
            new("att.output.weight", "time_mix_output.weight", GgufForm.Divided),
            new("ffn.time_maa_k", "channel_mix_lerp_k.weight", GgufForm.Vector), new("ffn.time_maa_r", "channel_mix_lerp_r.weight", GgufForm.Vector),
            new("ffn.receptance.weight", "channel_mix_receptance.weight"), new("ffn.value.weight", "channel_mix_value.weight", GgufForm.Divided),
        ]))
    {
    }

    private protected override RwkvConfig Complete(RwkvConfig config, GgufKeys keys) => config with { RescaleEvery = Rescale(keys) };

    private protected override RwkvConfig Seed(GgufKeys keys) => base.Seed(keys) with { RescaleEvery = Rescale(keys) };

    private protected override void DescribeRest(RwkvConfig config, GgufKeys keys) => keys.Set(Every, config.RescaleEvery);

    private protected override IEnumerable<(string Key, int Size)> Widths(RwkvConfig config) => [("time_mix_extra_dim", config.MixRank), ("time_decay_extra_dim", config.DecayRank)];

    private static int Rescale(GgufKeys keys) => keys.Size(Every, 1 << 20, 0) ?? 0;
}
