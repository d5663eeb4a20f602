using System.Globalization;

namespace Marrow.Formats.Rwkv;

/// <summary>One tensor's two names, without what names its block.</summary>
/// <param name="Official">RWKV-LM's.</param>
/// <param name="Other">The other naming's.</param>
/// <param name="Form">How it stands there.</param>
/// <param name="Index">Its row, where the form is <see cref="TensorForm.Row"/>.</param>
/// <param name="Rows">The rows there, where the form is <see cref="TensorForm.Row"/>.</param>
internal sealed record NamingRule(string Official, string Other, TensorForm Form, int Index = 0, int Rows = 0);

/// <summary>Every tensor of a naming (spec/architectures.md §4.3, §5.2).</summary>
internal sealed class NamingTable
{
    public const string OfficialBlocks = "blocks.";

    private static readonly NamingRule[] Norms =
    [
        .. Affine("ln0", "pre_norm"), .. Affine("ln1", "attn_norm"), .. Affine("ln2", "ffn_norm"), .. Affine("att.ln_x", "attn.g_norm"),
    ];

    private static readonly NamingRule[] FlaOuter =
    [
        new("emb.weight", "model.embeddings.weight", TensorForm.Same), .. Affine("ln_out", "model.norm"), new("head.weight", "lm_head.weight", TensorForm.Same),
    ];

    private static readonly NamingTable[] All =
    [
        new("model.layers.", FlaOuter,
        [
            .. Norms,
            .. Each("rwkvag", c => new($"att.x_{c}", $"attn.x_{c}", TensorForm.Same)),
            // Older files have one stack. Whoever writes uses the first rule of a name.
            .. Each("rwkvag", c => new($"att.x_{c}", "attn.x_x", TensorForm.Row, "rwkvag".IndexOf(c, StringComparison.Ordinal), 6)),
            .. Each("wav", c => new($"att.{c}0", $"attn.{c}_lora.lora.2.bias", TensorForm.Vector)),
            .. Each("wavg", c => new($"att.{c}1", $"attn.{c}_lora.lora.0.weight", TensorForm.Transposed)),
            .. Each("wavg", c => new($"att.{c}2", $"attn.{c}_lora.lora.2.weight", TensorForm.Transposed)),
            new("att.k_k", "attn.k_k", TensorForm.Vector), new("att.k_a", "attn.k_a", TensorForm.Vector), new("att.r_k", "attn.r_k", TensorForm.Same),
            .. Projections(("receptance", "r_proj"), ("key", "k_proj"), ("value", "v_proj"), ("output", "o_proj")),
            new("ffn.x_k", "ffn.x_k", TensorForm.Vector), new("ffn.key.weight", "ffn.key.weight", TensorForm.Same), new("ffn.value.weight", "ffn.value.weight", TensorForm.Same),
        ]),
        new("model.layers.", FlaOuter,
        [
            .. Norms,
            new("att.time_maa_x", "attn.x_proj.0.mu", TensorForm.Vector),
            new("att.time_maa_w1", "attn.x_proj.0.linear.weight", TensorForm.MixDown), new("att.time_maa_w2", "attn.x_proj.2.weight", TensorForm.MixUp),
            .. Each("rwkvg", c => new($"att.time_maa_{c}", "attn.x_bias", TensorForm.Row, "rwkvg".IndexOf(c, StringComparison.Ordinal), 5)),
            new("att.time_decay", "attn.w_proj.linear.lora.2.bias", TensorForm.Vector),
            new("att.time_decay_w1", "attn.w_proj.linear.lora.0.weight", TensorForm.Transposed),
            new("att.time_decay_w2", "attn.w_proj.linear.lora.2.weight", TensorForm.Transposed),
            new("att.time_faaaa", "attn.bonus", TensorForm.Same),
            .. Projections(("receptance", "r_proj.linear"), ("key", "k_proj.linear"), ("value", "v_proj.linear"), ("gate", "g_proj.linear"), ("output", "o_proj")),
            new("ffn.time_maa_k", "ffn.key.mu", TensorForm.Vector), new("ffn.time_maa_r", "ffn.receptance.mu", TensorForm.Vector),
            new("ffn.key.weight", "ffn.key.linear.weight", TensorForm.Same), new("ffn.value.weight", "ffn.value.weight", TensorForm.Same),
            new("ffn.receptance.weight", "ffn.receptance.linear.weight", TensorForm.Same),
        ]),
        new("rwkv.blocks.",
        [
            new("emb.weight", "rwkv.embeddings.weight", TensorForm.Same), .. Affine("ln_out", "rwkv.ln_out"), new("head.weight", "head.weight", TensorForm.Same),
        ],
        [
            .. Affine("ln0", "pre_ln"), .. Affine("ln1", "ln1"), .. Affine("ln2", "ln2"), .. Affine("att.ln_x", "attention.ln_x"),
            .. Each("xwkvrg", c => new($"att.time_maa_{c}", $"attention.time_maa_{c}", TensorForm.Same)),
            .. Alike("time_maa_w1", "time_maa_w2", "time_decay", "time_decay_w1", "time_decay_w2", "time_faaaa",
                "receptance.weight", "key.weight", "value.weight", "gate.weight", "output.weight"),
            .. ((string[])["time_maa_k", "time_maa_r", "key.weight", "value.weight", "receptance.weight"])
                .Select(n => new NamingRule($"ffn.{n}", $"feed_forward.{n}", TensorForm.Same)),
        ]),
    ];

    private readonly string _blocks;
    private readonly Dictionary<string, NamingRule[]> _outerByOther, _innerByOther;
    private readonly Dictionary<string, NamingRule> _outerByOfficial, _innerByOfficial;

    private NamingTable(string blocks, NamingRule[] outer, NamingRule[] inner)
    {
        _blocks = blocks;
        (_outerByOther, _innerByOther) = (ByOther(outer), ByOther(inner));
        (_outerByOfficial, _innerByOfficial) = (ByOfficial(outer), ByOfficial(inner));
    }

    public static NamingTable Of(RwkvNaming naming) => All[(int)naming];

    /// <summary>The rules for a tensor of a file in this naming, and its block ("" outside of blocks); none where the name is not known.</summary>
    public (string Block, NamingRule[] Rules) FromOther(string name) =>
        Split(name, _blocks, out string block, out string rest) ? (block, _innerByOther.GetValueOrDefault(rest, [])) : ("", _outerByOther.GetValueOrDefault(name, []));

    /// <summary>The rule to write an official tensor by, and its block; null where this naming has no place for it.</summary>
    public (string Block, NamingRule? Rule) FromOfficial(string name) =>
        Split(name, OfficialBlocks, out string block, out string rest) ? (block, _innerByOfficial.GetValueOrDefault(rest)) : ("", _outerByOfficial.GetValueOrDefault(name));

    public static string Official(string block, NamingRule rule) => block.Length == 0 ? rule.Official : $"{OfficialBlocks}{block}.{rule.Official}";

    public string Other(string block, NamingRule rule) => block.Length == 0 ? rule.Other : $"{_blocks}{block}.{rule.Other}";

    /// <summary>The official names of the rows that make one tensor of this naming, in order.</summary>
    public IEnumerable<string> RowsOf(string block, NamingRule rule) =>
        _innerByOther[rule.Other].OrderBy(r => r.Index).Select(r => Official(block, r));

    /// <summary>Cuts "blocks.12.att.key.weight" into "12" and "att.key.weight"; a number that is not written plainly is no block.</summary>
    internal static bool Split(string name, string blocks, out string block, out string rest)
    {
        (block, rest) = ("", "");
        int dot = name.StartsWith(blocks, StringComparison.Ordinal) ? name.IndexOf('.', blocks.Length) : -1;
        if (dot < 0)
            return false;
        (block, rest) = (name[blocks.Length..dot], name[(dot + 1)..]);
        return int.TryParse(block, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number.ToString(CultureInfo.InvariantCulture) == block;
    }

    private static Dictionary<string, NamingRule[]> ByOther(NamingRule[] rules) => rules.GroupBy(r => r.Other).ToDictionary(g => g.Key, g => g.ToArray());

    private static Dictionary<string, NamingRule> ByOfficial(NamingRule[] rules) => rules.GroupBy(r => r.Official).ToDictionary(g => g.Key, g => g.First());

    private static IEnumerable<NamingRule> Each(string letters, Func<char, NamingRule> rule) => letters.Select(rule);

    private static NamingRule[] Affine(string official, string other) =>
        [new($"{official}.weight", $"{other}.weight", TensorForm.Same), new($"{official}.bias", $"{other}.bias", TensorForm.Same)];

    private static IEnumerable<NamingRule> Projections(params (string Official, string Other)[] names) =>
        names.Select(n => new NamingRule($"att.{n.Official}.weight", $"attn.{n.Other}.weight", TensorForm.Same));

    private static IEnumerable<NamingRule> Alike(params string[] names) => names.Select(n => new NamingRule($"att.{n}", $"attention.{n}", TensorForm.Same));
}
