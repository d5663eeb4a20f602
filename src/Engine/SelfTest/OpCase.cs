using Marrow.Formats.Numerics;

namespace Marrow.Engine.SelfTest;

/// <summary>
/// One op at one set of shapes, as data. The same rows serve the tests, <c>marrow doctor</c> and perf/: every device and SIMD level
/// must give the reference's values and gradients.
/// </summary>
/// <param name="Op">The op's name.</param>
/// <param name="Case">What is special about the row.</param>
/// <param name="Inputs">Shapes of the floating inputs.</param>
/// <param name="Run">Calls the op; its floating inputs need gradients unless <see cref="Frozen"/> says otherwise.</param>
/// <param name="Reference">The same in double precision.</param>
public sealed record OpCase(string Op, string Case, Shape[] Inputs, Func<Autograd.Tape, Tensor[], Tensor> Run, Func<NdArray[], NdArray> Reference)
{
    /// <summary>Inputs that are never trained (tables, weights of adapters' bases), by index.</summary>
    public int[] Frozen { get; init; } = [];

    /// <summary>Inputs stored as bf16, by index; their values are exact in bf16.</summary>
    public int[] Bf16 { get; init; } = [];

    /// <summary>The input that is stored in quantised blocks, by index, and their type; its values are exact in it. Null for none.</summary>
    public (int Input, DType Type)? Quantised { get; init; }

    /// <summary>The blocks of that input once it is drawn.</summary>
    internal byte[] Blocks { get; init; } = [];

    /// <summary>Inputs that are activations, by index: stored as bf16 where activations are. The first one unless told otherwise.</summary>
    public int[] Activations { get; init; } = [0];

    /// <summary>Inputs are drawn uniformly from −Range to Range.</summary>
    public float Range { get; init; } = 1f;

    /// <summary>What is added to every drawn value, by input; 0 for inputs beyond its end.</summary>
    public float[] Offsets { get; init; } = [];

    /// <summary>Largest error allowed, relative to the largest value of the tensor compared.</summary>
    public double Tolerance { get; init; } = 2e-5;

    /// <summary>As <see cref="Tolerance"/> where activations are bf16: one rounding is off by up to 2⁻⁸, and a value that something is added to in place is rounded twice.</summary>
    public double Bf16Tolerance { get; init; } = 8e-3;

    /// <summary>"rms_norm: one row".</summary>
    public override string ToString() => $"{Op}: {Case}";
}
