using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Rwkv;
using Marrow.Formats.Views;

namespace Marrow.Formats.Gguf.Architectures;

/// <summary>rwkv7 (spec/architectures.md §4.3). Files have the value path in block 0 too, where nothing computes with it: copies of the rate's.</summary>
public sealed class Rwkv7Gguf : RwkvGguf
{
    private const string Idle = "blk.0.time_mix_v";

    internal Rwkv7Gguf()
        : base("rwkv7", Table(
        [
            .. "rwkvag".Select((c, i) => new GgufRule($"att.x_{c}", "time_mix_lerp_fused.weight", GgufForm.Part, i, 6)),
            .. "wav".Select(c => new GgufRule($"att.{c}0", $"time_mix_{c}0.weight", GgufForm.Vector)),
            .. "wavg".SelectMany(c => (GgufRule[])[new($"att.{c}1", $"time_mix_{c}1.weight", GgufForm.Transposed), new($"att.{c}2", $"time_mix_{c}2.weight", GgufForm.Transposed)]),
            new("att.k_k", "time_mix_k_k.weight", GgufForm.Vector), new("att.k_a", "time_mix_k_a.weight", GgufForm.Vector), new("att.r_k", "time_mix_r_k.weight", GgufForm.Flat),
            new("att.output.weight", "time_mix_output.weight"),
            new("ffn.x_k", "channel_mix_lerp_k.weight", GgufForm.Vector), new("ffn.value.weight", "channel_mix_value.weight"),
        ]))
    {
    }

    private protected override IEnumerable<(string Key, int Size)> Widths(RwkvConfig config) =>
    [
        ("attention.decay_lora_rank", config.DecayRank), ("attention.iclr_lora_rank", config.RateRank),
        ("attention.value_residual_mix_lora_rank", config.ValueRank), ("attention.gate_lora_rank", config.GateRank),
    ];

    private protected override bool IsIdle(string ggufTensor) => ggufTensor is $"{Idle}0.weight" or $"{Idle}1.weight" or $"{Idle}2.weight";

    private protected override IEnumerable<TensorView> Added(ITensorSource official, ModelConfig config)
    {
        TensorInfo a0 = official.Require("blocks.0.att.a0");
        yield return new StoredView(a0 with { Name = $"{Idle}0.weight", Shape = [a0.Count] }, official, a0.Name);
        foreach (char i in "12")
            yield return new TransposedView($"{Idle}{i}.weight", official, official.Require($"blocks.0.att.a{i}"));
    }
}
