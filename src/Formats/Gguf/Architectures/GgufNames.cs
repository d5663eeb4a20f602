using Marrow.Formats.Rwkv;

namespace Marrow.Formats.Gguf.Architectures;

/// <summary>The tensors of an architecture by their official names and by those of GGUF files.</summary>
/// <param name="officialBlocks">What official names of blocks begin with ("model.layers.").</param>
/// <param name="outer">Tensors outside of blocks, and those whose name has a block on one side only.</param>
/// <param name="inner">Tensors of each block. Several of one name on the GGUF side are its parts; of one official name the first rule is written.</param>
internal sealed class GgufNames(string officialBlocks, GgufRule[] outer, GgufRule[] inner)
{
    private const string Blocks = "blk.";

    private readonly Dictionary<string, GgufRule[]> _outerByGguf = ByGguf(outer), _innerByGguf = ByGguf(inner);
    private readonly Dictionary<string, GgufRule> _outerByOfficial = ByOfficial(outer), _innerByOfficial = ByOfficial(inner);

    /// <summary>The rules for a tensor of a GGUF file, and its block ("" outside of blocks); none where the name is not known.</summary>
    public (string Block, GgufRule[] Rules) FromGguf(string name) =>
        _outerByGguf.TryGetValue(name, out GgufRule[]? rules) ? ("", rules)
        : NamingTable.Split(name, Blocks, out string block, out string rest) ? (block, _innerByGguf.GetValueOrDefault(rest, [])) : ("", []);

    /// <summary>The rule to write an official tensor by, and its block; null where GGUF has no place for it.</summary>
    public (string Block, GgufRule? Rule) FromOfficial(string name) =>
        _outerByOfficial.TryGetValue(name, out GgufRule? rule) ? ("", rule)
        : NamingTable.Split(name, officialBlocks, out string block, out string rest) ? (block, _innerByOfficial.GetValueOrDefault(rest)) : ("", null);

    public string Official(string block, GgufRule rule) => block.Length == 0 ? rule.Official : $"{officialBlocks}{block}.{rule.Official}";

    public static string Gguf(string block, GgufRule rule) => block.Length == 0 ? rule.Gguf : $"{Blocks}{block}.{rule.Gguf}";

    /// <summary>The official names of the parts that make one tensor of a GGUF file, in order.</summary>
    public string[] PartsOf(string block, GgufRule rule) => [.. _innerByGguf[rule.Gguf].OrderBy(r => r.Index).Select(r => Official(block, r))];

    private static Dictionary<string, GgufRule[]> ByGguf(GgufRule[] rules) => rules.GroupBy(r => r.Gguf).ToDictionary(g => g.Key, g => g.ToArray());

    private static Dictionary<string, GgufRule> ByOfficial(GgufRule[] rules) => rules.GroupBy(r => r.Official).ToDictionary(g => g.Key, g => g.First());
}
