using Marrow.Formats.Safetensors;

namespace Marrow.Formats.Rwkv;

/// <summary>RWKV-LM's tensors in another naming, the exact inverse of <see cref="FlaTensors"/>.</summary>
public static class FlaWriter
{
    // RWKV-LM's newest trainer makes them in every block, but block 0 computes with none of them.
    private static readonly string[] Unused = ["blocks.0.att.v0", "blocks.0.att.v1", "blocks.0.att.v2"];

    /// <summary>
    /// The tensors of <paramref name="official"/> as <paramref name="naming"/> has them, to be written while the source is open. RWKV-7's v0, v1 and
    /// v2 of block 0, which no computation reads, have no place in fla's models and are left out.
    /// </summary>
    /// <exception cref="ModelFileException">FL003 a shape is not RWKV's; FL004 a tensor has no place in the naming, or one of a stack is missing.</exception>
    public static IReadOnlyList<TensorToWrite> Tensors(ITensorSource official, RwkvNaming naming)
    {
        ArgumentNullException.ThrowIfNull(official);
        NamingTable table = NamingTable.Of(naming);
        var written = new List<TensorToWrite>();
        foreach (TensorInfo info in official.Tensors.Values)
        {
            if (naming == RwkvNaming.Fla7 && Unused.Contains(info.Name))
                continue;
            (string block, NamingRule? rule) = table.FromOfficial(info.Name);
            if (rule is null)
                throw new ModelFileException("FL004", official.Path, $"tensor '{Echo.Name(info.Name)}' has no place in the naming {naming}; keep it in a file of its own");
            long[] shape = FormChange.OtherShape(rule, info.Shape) ?? throw new ModelFileException("FL003", official.Path,
                $"tensor '{Echo.Name(info.Name)}' has shape {info.ShapeText}, which is not that of {rule.Official} in RWKV models");
            string name = table.Other(block, rule);
            if (rule.Form != TensorForm.Row)
                written.Add(FormChange.Moves(rule.Form)
                    ? new TensorToWrite(name, info.DType, shape, stream => stream.Write(FormChange.Move(official, info, rule.Form, toOther: true)))
                    : TensorToWrite.Copy(official, info.Name, name) with { Shape = shape });
            else if (rule.Index == 0)
                written.Add(Stack(official, [.. table.RowsOf(block, rule)], name, shape));
            else if (!official.Tensors.ContainsKey(table.RowsOf(block, rule).First()))
                throw Missing(official, table.RowsOf(block, rule).First(), name);
        }
        return written;
    }

    /// <summary>The name that a tensor has in another naming, of a row that of its stack; null where it has no place there.</summary>
    internal static string? NameOf(string official, RwkvNaming naming)
    {
        NamingTable table = NamingTable.Of(naming);
        (string block, NamingRule? rule) = table.FromOfficial(official);
        return rule is null ? null : table.Other(block, rule);
    }

    private static TensorToWrite Stack(ITensorSource official, string[] rows, string name, long[] shape)
    {
        TensorInfo first = official.Tensors[rows[0]];
        foreach (string row in rows)
        {
            if (!official.Tensors.TryGetValue(row, out TensorInfo? info))
                throw Missing(official, row, name);
            if (info.DType != first.DType || !info.Shape.SequenceEqual(first.Shape))
                throw new ModelFileException("FL003", official.Path,
                    $"tensors '{Echo.Name(first.Name)}' {first.DType} {first.ShapeText} and '{Echo.Name(row)}' {info.DType} {info.ShapeText} are to be one tensor, and differ");
        }
        return new TensorToWrite(name, first.DType, shape, stream =>
        {
            foreach (string row in rows)
                TensorToWrite.Copy(official, row).Write(stream);
        });
    }

    private static ModelFileException Missing(ITensorSource official, string row, string name) =>
        new("FL004", official.Path, $"has no tensor '{Echo.Name(row)}', which is a part of '{Echo.Name(name)}'; the file is not whole");
}
