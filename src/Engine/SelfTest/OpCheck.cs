using Marrow.Engine.Autograd;
using Marrow.Engine.Devices;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Engine.SelfTest;

/// <summary>
/// Runs an <see cref="OpCase"/> on a device and compares: values with the double-precision reference, gradients with four-point
/// differences of it (single elements and whole random directions), and the same with each input frozen in turn.
/// </summary>
public static class OpCheck
{
    private const double Step = 1e-3;
    private const int Elements = 12, Directions = 3;

    /// <summary>Checks one case with activations of a type; returns the problems found, none when all is well.</summary>
    public static IReadOnlyList<string> Run(Device device, OpCase op, DType activations = DType.F32)
    {
        if (activations == DType.BF16)
            op = op with { Tolerance = op.Bf16Tolerance };
        int[] rounded = activations == DType.BF16 ? [.. op.Activations.Union(op.Bf16)] : op.Bf16;
        var problems = new List<string>();
        var random = new Random(12345);
        NdArray[] inputs = [.. op.Inputs.Select((shape, i) => Draw(random, shape, op.Range, rounded.Contains(i), i < op.Offsets.Length ? op.Offsets[i] : 0f))];
        if (op.Quantised is { } quantised)
        {
            NdArray drawn = inputs[quantised.Input];
            op = op with { Blocks = Encode(drawn, quantised.Type) };
            inputs[quantised.Input] = Decode(op.Blocks, drawn.Shape, quantised.Type);
        }
        NdArray expected = op.Reference(inputs);
        NdArray upstream = expected.Shape.Count == 1 ? new NdArray(expected.Shape, [1.0]) : Draw(random, expected.Shape, 1f, activations == DType.BF16);
        int[] trainable = [.. Enumerable.Range(0, inputs.Length).Except(op.Frozen).Except(op.Bf16).Where(i => i != op.Quantised?.Input)];
        NdArray?[] gradients = Compute(device, op, inputs, upstream, trainable, false, activations, out NdArray value);
        Compare(problems, $"{op}: value", value, expected, op.Tolerance);
        foreach (int i in trainable)
        {
            if (gradients[i] is not { } gradient)
                problems.Add($"{op}: input {i} {inputs[i].Shape} got no gradient");
            else
                CompareGradient(problems, op, inputs, upstream, i, gradient, random);
        }
        // Parameters hold a gradient already, which must be added to.
        NdArray?[] added = Compute(device, op, inputs, upstream, trainable, true, activations, out _);
        foreach (int i in trainable.Where(i => gradients[i] is not null))
            Compare(problems, $"{op}: gradient added to what is there, input {i}", added[i]!.Map(v => v - 1), gradients[i]!, activations == DType.BF16 && op.Activations.Contains(i) ? op.Tolerance : 1e-5, 1);
        foreach (int frozen in trainable.Length > 1 ? trainable : [])
        {
            NdArray?[] others = Compute(device, op, inputs, upstream, [.. trainable.Where(i => i != frozen)], false, activations, out _);
            if (others[frozen] is not null)
                problems.Add($"{op}: frozen input {frozen} got a gradient");
            foreach (int i in trainable.Where(i => i != frozen && gradients[i] is not null && others[i] is not null))
                Compare(problems, $"{op}: gradient of input {i} with input {frozen} frozen", others[i]!, gradients[i]!, 1e-6);
        }
        return problems;
    }

    // Value and gradients of one run; entry i is null when input i got no gradient. Parameters start with a gradient of ones.
    internal static NdArray?[] Compute(Device device, OpCase op, NdArray[] inputs, NdArray upstream, int[] trainable, bool asParameters, DType activations, out NdArray value)
    {
        using var tape = new Tape(device) { Recording = true, Training = true, ActivationType = activations };
        var tensors = new Tensor[inputs.Length];
        for (int i = 0; i < inputs.Length; i++)
        {
            float[] values = Array.ConvertAll(inputs[i].Values, v => (float)v);
            tensors[i] = tape.New(inputs[i].Shape, op.Quantised?.Input == i ? op.Quantised.Value.Type : op.Bf16.Contains(i) ? DType.BF16 : op.Activations.Contains(i) ? activations : DType.F32);
            if (tensors[i].DType.IsBlock())
                tensors[i].Upload<byte>(op.Blocks);
            else
                tensors[i].WriteFloats(values);
            tensors[i].NeedsGrad = trainable.Contains(i);
            if (asParameters && tensors[i].NeedsGrad)
            {
                tensors[i].Grad = tape.New(inputs[i].Shape, tensors[i].DType);
                tensors[i].Grad!.WriteFloats([.. Enumerable.Repeat(1f, (int)inputs[i].Shape.Count)]);
            }
        }
        Tensor result = op.Run(tape, tensors);
        value = FromTensor(result);
        Tensor grad = tape.New(result.Shape);
        grad.Upload<float>(Array.ConvertAll(upstream.Values, v => (float)v));
        tape.Backward(result, grad);
        return [.. tensors.Select(t => t.Grad is null ? null : FromTensor(t.Grad))];
    }

    private static void CompareGradient(List<string> problems, OpCase op, NdArray[] inputs, NdArray upstream, int input, NdArray gradient, Random random)
    {
        double largest = gradient.Values.Length == 0 ? 0 : gradient.Values.Max(Math.Abs);
        for (int n = 0; n < Elements && n < gradient.Values.Length; n++)
        {
            int at = random.Next(gradient.Values.Length);
            var direction = new NdArray(inputs[input].Shape);
            direction.Values[at] = 1;
            double want = Derivative(op, inputs, upstream, input, direction);
            if (!(Math.Abs(want - gradient.Values[at]) <= op.Tolerance * Math.Max(largest, 1e-3)))
                problems.Add($"{op}: gradient of input {input} at {at}: {gradient.Values[at]:g9}, differences give {want:g9}");
        }
        for (int n = 0; n < Directions; n++)
        {
            NdArray direction = Draw(random, inputs[input].Shape, 1f, false);
            double want = Derivative(op, inputs, upstream, input, direction);
            double got = gradient.Values.Zip(direction.Values, (g, v) => g * v).Sum();
            double size = Math.Sqrt(gradient.Values.Length) * Math.Max(largest, 1e-3);
            if (!(Math.Abs(want - got) <= op.Tolerance * size))
                problems.Add($"{op}: gradient of input {input} along a random direction: {got:g9}, differences give {want:g9}");
        }
    }

    // (8·f(+h/2) − f(+h) − 8·f(−h/2) + f(−h)) / 6h: the error is of fourth order
    internal static double Derivative(OpCase op, NdArray[] inputs, NdArray upstream, int input, NdArray direction)
    {
        double At(double h)
        {
            var moved = (NdArray[])inputs.Clone();
            moved[input] = inputs[input].Zip(direction, (x, v) => x + h * v);
            return op.Reference(moved).Values.Zip(upstream.Values, (y, u) => y * u).Sum();
        }
        return (8 * At(Step / 2) - At(Step) - 8 * At(-Step / 2) + At(-Step)) / (6 * Step);
    }

    private static void Compare(List<string> problems, string what, NdArray got, NdArray want, double tolerance, double floor = 1e-6)
    {
        if (got.Shape.Count != want.Shape.Count)
        {
            problems.Add($"{what}: shape {got.Shape}, expected {want.Shape}");
            return;
        }
        double largest = want.Values.Length == 0 ? 0 : want.Values.Max(Math.Abs);
        for (int i = 0; i < want.Values.Length; i++)
        {
            if (!(Math.Abs(got.Values[i] - want.Values[i]) <= tolerance * Math.Max(largest, floor)))
            {
                problems.Add($"{what} {want.Shape} at {i}: {got.Values[i]:g9}, expected {want.Values[i]:g9}");
                return;
            }
        }
    }

    private static byte[] Encode(NdArray drawn, DType type)
    {
        var blocks = new byte[type.Bytes(drawn.Shape.Count)];
        BlockFormats.Of(type).Encode!(Array.ConvertAll(drawn.Values, v => (float)v), blocks);
        return blocks;
    }

    private static NdArray Decode(byte[] blocks, Shape shape, DType type)
    {
        var values = new float[shape.Count];
        BlockFormats.Of(type).Decode!(blocks, values);
        return new NdArray(shape, Array.ConvertAll(values, v => (double)v));
    }

    private static NdArray FromTensor(Tensor t) => new(t.Shape, Array.ConvertAll(t.ToArray(), v => (double)v));

    private static NdArray Draw(Random random, Shape shape, float range, bool bf16, float offset = 0f)
    {
        var values = new double[shape.Count];
        for (int i = 0; i < values.Length; i++)
        {
            float v = (random.NextSingle() * 2 - 1) * range + offset;
            values[i] = bf16 ? (float)(BFloat16)v : v;
        }
        return new NdArray(shape, values);
    }
}
