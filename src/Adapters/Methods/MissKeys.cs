using Marrow.Adapters.Peft;
using Marrow.Formats;

namespace Marrow.Adapters.Methods;

/// <summary>The forms of MiSS, which share one peft_type and one tensor name.</summary>
internal enum MissMode
{
    Balance,
    Mini,
    Bat,
}

/// <summary>How the forms of MiSS are told apart in files, Bone's old ones included (spec/adapters.md §1, §2.5).</summary>
internal static class MissKeys
{
    public const string PeftType = "MISS", Tensor = "miss_block";

    public static IReadOnlyDictionary<string, string> FormerNames { get; } = new Dictionary<string, string> { ["bone_block"] = Tensor };

    public static bool Is(PeftDocument document, MissMode mode)
    {
        if (document.PeftType is not (PeftType or "BONE"))
            return false;
        MissMode stated = document.Json.Raw("init_weights") switch
        {
            "null" or "true" or "false" => MissMode.Balance,
            "\"bat\"" => MissMode.Bat,
            "\"mini\"" => MissMode.Mini,
            var other => throw document.Json.Error("PF005", "init_weights", $"is {Echo.Name(other)}, which is no known form of MiSS; known are true, false, \"bat\" and \"mini\""),
        };
        // PEFT's main branch wrote Bat under init_weights: true for three weeks; only the shape tells.
        bool early = stated == MissMode.Balance && document.TensorRank(name => name.EndsWith("_block", StringComparison.Ordinal)) == 3;
        if (early && mode == MissMode.Bat)
            document.Warnings.Add($"{document.Json.Path}: the blocks have three dimensions, so this early Bone adapter is read as Bat; it is written again as MISS with init_weights \"bat\"");
        return mode == (early ? MissMode.Bat : stated);
    }
}
