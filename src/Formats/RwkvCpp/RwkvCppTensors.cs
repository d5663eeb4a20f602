using Marrow.Formats.Numerics;
using Marrow.Formats.Views;

namespace Marrow.Formats.RwkvCpp;

/// <summary>
/// The tensors of rwkv.cpp's files under RWKV-LM's names and in its shapes. Of RWKV-7 the six mixing vectors are stored as one and the low-rank matrices
/// transposed; of RWKV-6 vectors lack dimensions of 1 and low-rank matrices are transposed. Older versions hold decays of which the model's
/// own values cannot be told exactly; they are shown as they are, and refused as models.
/// </summary>
internal static class RwkvCppTensors
{
    private const string Mixed = "att.x_rwkvag";

    private static readonly string[] LowRank7 = ["att.w1", "att.w2", "att.a1", "att.a2", "att.v1", "att.v2", "att.g1", "att.g2"];
    private static readonly string[] LowRank6 = ["att.time_maa_w1", "att.time_maa_w2", "att.time_decay_w1", "att.time_decay_w2"];
    private static readonly string[] Vectors6 = ["att.time_maa_x", "att.time_maa_w", "att.time_maa_k", "att.time_maa_v", "att.time_maa_r", "att.time_maa_g", "att.time_decay", "ffn.time_maa_k", "ffn.time_maa_r"];

    /// <summary>The tensors; the file becomes theirs.</summary>
    /// <exception cref="ModelFileException">RB003 a tensor's shape is not what its name asks for.</exception>
    public static ITensorSource Official(RwkvCppFile file)
    {
        bool seven = file.Tensors.ContainsKey("blocks.0." + Mixed), six = file.Tensors.ContainsKey("blocks.0.att.time_maa_x");
        return seven || six ? new ViewedTensors(file, file.Tensors.Values.SelectMany(t => seven ? Views7(file, t) : Views6(file, t)), owns: true) : file;
    }

    private static IEnumerable<TensorView> Views7(RwkvCppFile file, TensorInfo stored)
    {
        string part = PartOf(stored.Name);
        if (part == Mixed)
            return Parts(file, stored);
        return [LowRank7.Contains(part) ? Transposed(file, stored) : new StoredView(stored, file, stored.Name)];
    }

    private static IEnumerable<TensorView> Views6(RwkvCppFile file, TensorInfo stored)
    {
        string part = PartOf(stored.Name);
        if (LowRank6.Contains(part))
            return [Transposed(file, stored)];
        if (Vectors6.Contains(part))
            return [Reshaped(file, stored, 1, 1, stored.Count)];
        return [part == "att.time_faaaa" && stored.Shape is [var heads, var channels, 1] ? Reshaped(file, stored, heads, channels) : new StoredView(stored, file, stored.Name)];
    }

    /// <summary>The six vectors [1,1,C] of one tensor [6,1,C].</summary>
    private static IEnumerable<TensorView> Parts(RwkvCppFile file, TensorInfo stored)
    {
        const string order = "rwkvag";
        if (stored.Shape is not [6, 1, var channels] || stored.DType.IsBlock())
            throw new ModelFileException("RB003", file.Path, $"tensor '{Echo.Name(stored.Name)}' is {stored.ShapeText} of {stored.DType}; [6,1,channels] of plain numbers are needed");
        string block = stored.Name[..^order.Length];
        return order.Select((x, i) => (TensorView)new StoredView(TensorView.Shown(block + x, stored.DType, 1, 1, channels), file, stored.Name, i * (stored.ByteLength / order.Length)));
    }

    private static TransposedView Transposed(RwkvCppFile file, TensorInfo stored) => stored.Shape.Count is 2 or 3 ? new TransposedView(stored.Name, file, stored)
        : throw new ModelFileException("RB003", file.Path, $"tensor '{Echo.Name(stored.Name)}' is {stored.ShapeText}; a matrix is needed");

    private static StoredView Reshaped(RwkvCppFile file, TensorInfo stored, params long[] shape) => !stored.DType.IsBlock() ? new StoredView(TensorView.Shown(stored.Name, stored.DType, shape), file, stored.Name)
        : throw new ModelFileException("RB004", file.Path, $"tensor '{Echo.Name(stored.Name)}' is a vector and quantised, which rwkv.cpp never does; the file is damaged");

    /// <summary>The name within its block: "att.w1".</summary>
    private static string PartOf(string name)
    {
        const string Blocks = "blocks.";
        int dot = name.StartsWith(Blocks, StringComparison.Ordinal) ? name.IndexOf('.', Blocks.Length) : -1;
        return name[(dot + 1)..];
    }
}
