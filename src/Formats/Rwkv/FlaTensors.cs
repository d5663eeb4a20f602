using Marrow.Formats.Numerics;

namespace Marrow.Formats.Rwkv;

/// <summary>
/// The tensors of an RWKV model in flash-linear-attention's or the RWKV organisation's Hugging Face naming, under RWKV-LM's names and in its shapes
/// (spec/architectures.md §4.3, §5.2). Nothing is read before it is asked for; a tensor that stands transposed is then read whole. Every tensor of
/// the file must be known. Safe for concurrent reads.
/// </summary>
public sealed class FlaTensors : ITensorSource
{
    private readonly ITensorSource _source;
    private readonly Dictionary<string, (TensorInfo Stored, NamingRule Rule)> _origins = [];
    private volatile Moved? _last;

    private sealed record Moved(string Name, byte[] Bytes);

    private FlaTensors(ITensorSource source, RwkvNaming naming)
    {
        (_source, Naming) = (source, naming);
        var tensors = new Dictionary<string, TensorInfo>();
        NamingTable table = NamingTable.Of(naming);
        List<string> unknown = [];
        foreach (TensorInfo stored in source.Tensors.Values.OrderBy(t => t.Name, StringComparer.Ordinal))
        {
            (string block, NamingRule[] rules) = table.FromOther(stored.Name);
            if (rules.Length == 0)
                unknown.Add(stored.Name);
            foreach (NamingRule rule in rules)
            {
                string name = NamingTable.Official(block, rule);
                bool cut = rule.Form == TensorForm.Row && stored.DType.Bits() % 8 != 0;
                long[] shape = (cut ? null : FormChange.OfficialShape(rule, stored.Shape)) ?? throw new ModelFileException("FL003", source.Path,
                    $"tensor '{Echo.Name(stored.Name)}' is {stored.DType} {stored.ShapeText}, which {rule.Other} is not in RWKV models; the file belongs to another kind of model");
                var info = new TensorInfo(name, stored.DType, shape, rule.Form == TensorForm.Row ? stored.ByteLength / rule.Rows : stored.ByteLength);
                if (!tensors.TryAdd(name, info))
                    throw new ModelFileException("FL002", source.Path, $"tensors '{Echo.Name(_origins[name].Stored.Name)}' and '{Echo.Name(stored.Name)}' are both {name}; remove one of them");
                _origins.Add(name, (stored, rule));
            }
        }
        if (unknown.Count > 0)
            throw new ModelFileException("FL001", source.Path,
                $"{unknown.Count} tensors are not of RWKV as {naming} names it: {string.Join(", ", unknown.Take(5).Select(n => $"'{Echo.Name(n)}'"))}{(unknown.Count > 5 ? " …" : "")}; such a model is not supported");
        Tensors = tensors;
    }

    /// <summary>Whose names the file has.</summary>
    public RwkvNaming Naming { get; }

    /// <inheritdoc/>
    public string Path => _source.Path;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Metadata => _source.Metadata;

    /// <summary>Whose names a file has; null where it is of neither (as where it has RWKV-LM's own).</summary>
    public static RwkvNaming? NamingOf(ITensorSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        IReadOnlyDictionary<string, TensorInfo> tensors = source.Tensors;
        return tensors.ContainsKey("model.layers.0.attn.r_k") ? RwkvNaming.Fla7
            : tensors.ContainsKey("model.layers.0.attn.x_proj.0.mu") ? RwkvNaming.Fla6
            : tensors.ContainsKey("rwkv.blocks.0.attention.time_maa_x") ? RwkvNaming.HuggingFace6 : null;
    }

    /// <summary>Shows a file under RWKV-LM's names; the source is then this one's to dispose of. A failure leaves it open.</summary>
    /// <exception cref="ModelFileException">FL001 tensors that are not known, by name; FL002 two tensors for one; FL003 a wrong shape.</exception>
    public static FlaTensors Open(ITensorSource source, RwkvNaming naming)
    {
        ArgumentNullException.ThrowIfNull(source);
        return new(source, naming);
    }

    /// <inheritdoc/>
    public void Read(string name, long byteOffset, Span<byte> destination)
    {
        TensorInfo info = this.Require(name);
        (TensorInfo stored, NamingRule rule) = _origins[name];
        if (byteOffset < 0 || byteOffset > info.ByteLength - destination.Length)
            throw new ModelFileException("TS004", Path,
                $"tensor '{Echo.Name(name)}' has {info.ByteLength} bytes; {destination.Length} from {byteOffset} on were asked for");
        if (!FormChange.Moves(rule.Form))
        {
            _source.Read(stored.Name, byteOffset + rule.Index * info.ByteLength, destination);
            return;
        }
        // Readers that convert come for one piece after the other.
        Moved moved = _last is { } last && last.Name == name ? last : new Moved(name, FormChange.Move(_source, stored, rule.Form, toOther: false));
        _last = moved;
        moved.Bytes.AsSpan((int)byteOffset, destination.Length).CopyTo(destination);
    }

    /// <inheritdoc/>
    public void Dispose() => _source.Dispose();
}
