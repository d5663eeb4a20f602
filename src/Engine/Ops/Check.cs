using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.CompilerServices;
using Marrow.Engine.Devices;
using Marrow.Formats;
using Marrow.Formats.Numerics;

namespace Marrow.Engine;

/// <summary>The checks that ops make before they compute; messages carry both shapes.</summary>
internal static class Check
{
    public static void LastDim(string op, Tensor x, string name, int n, string hint = "Is this a weight of another layer?")
    {
        if (x.Shape.Last != n)
            Fail(op, $"the last dimension of {name} is {x.Shape.Last} ({x}), {n} is needed. {hint}");
    }

    public static void Shapes(string op, Tensor a, Tensor b)
    {
        if (a.Shape != b.Shape)
            Fail(op, $"the shapes differ: {a} and {b}.");
    }

    public static void Is(string op, Tensor x, string name, Shape shape)
    {
        if (x.Shape != shape)
            Fail(op, $"{name} is {x}, shape {shape} is needed.");
    }

    public static void Type(string op, Tensor x, string name, DType type, DType? orElse = null)
    {
        if (x.DType != type && x.DType != orElse)
            Fail(op, $"{name} is {x}, type {type}{(orElse is { } other ? $" or {other}" : "")} is needed.");
    }

    /// <summary>A matrix of a model: fp32; where it is not trained also bf16 or a block type that can be decoded.</summary>
    public static void Matrix(string op, Tensor w, string name)
    {
        if (w.DType != DType.F32 && (w.NeedsGrad || (w.DType != DType.BF16 && !(w.DType.IsBlock() && w.DType.IsReal()))))
            Fail(op, $"{name} is {w}, type F32 is needed{(w.NeedsGrad ? " of a weight that is trained" : ", BF16, or a block type that is decoded here")}.");
    }

    /// <summary>An activation is fp32, or bf16 on a device that runs kernels.</summary>
    public static void Activation(string op, Tensor x, string name)
    {
        if (x.DType != DType.F32 && (x.DType != DType.BF16 || x.Device is not KernelDevice))
            Fail(op, $"{name} is {x}, type F32 is needed{(x.Device is KernelDevice ? " or BF16" : $": device {x.Device.Name} computes activations in F32 only")}.");
    }

    /// <summary>A vector of fp32 with one element for each of <paramref name="channels"/> channels, of any rank: [C], [1, 1, C].</summary>
    public static void Channels(string op, Tensor x, string name, int channels)
    {
        Type(op, x, name, DType.F32);
        if (x.Shape.Count != channels)
            Fail(op, $"{name} is {x}, {channels} elements are needed, one for each channel.");
    }

    /// <summary>A last dimension that <paramref name="heads"/> heads share equally.</summary>
    public static void Heads(string op, Tensor x, string name, int heads)
    {
        if (heads < 1 || x.Shape.Last % heads != 0)
            Fail(op, $"the last dimension of {name} is {x.Shape.Last} ({x}), which {heads} heads do not divide.");
    }

    /// <summary>The starts of sequences in <paramref name="rows"/> concatenated rows: [S+1] i32, from 0 to the rows, never falling.</summary>
    public static void Starts(string op, Tensor starts, int rows)
    {
        Type(op, starts, "starts", DType.I32);
        ReadOnlySpan<int> values = starts.OnHost;
        bool rising = values.Length >= 2 && values[0] == 0 && values[^1] == rows;
        for (int s = 1; s < values.Length; s++)
            rising &= values[s] >= values[s - 1];
        if (!rising)
            Fail(op, $"starts ({starts}) must rise from 0 to the {rows} rows.");
    }

    public static void True(string op, [DoesNotReturnIf(false)] bool holds, string message)
    {
        if (!holds)
            Fail(op, message);
    }

    public static void True(string op, [DoesNotReturnIf(false)] bool holds, [InterpolatedStringHandlerArgument(nameof(holds))] FailureMessage message)
    {
        if (!holds)
            Fail(op, message.ToString());
    }

    [DoesNotReturn]
    private static void Fail(string op, string message) => throw new MarrowException("E104", $"{op}: {message} [E104]");
}

/// <summary>A message that is only put together when its check fails, so that a check that holds allocates nothing.</summary>
[InterpolatedStringHandler]
internal ref struct FailureMessage
{
    private DefaultInterpolatedStringHandler _text;

    public FailureMessage(int literalLength, int formattedCount, bool holds, out bool shouldAppend)
    {
        shouldAppend = !holds;
        if (shouldAppend)
            _text = new DefaultInterpolatedStringHandler(literalLength, formattedCount, CultureInfo.InvariantCulture);
    }

    public void AppendLiteral(string text) => _text.AppendLiteral(text);

    public void AppendFormatted<T>(T value) => _text.AppendFormatted(value);

    public override string ToString() => _text.ToStringAndClear();
}
