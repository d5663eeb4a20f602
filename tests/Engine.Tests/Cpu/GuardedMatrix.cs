using System.Runtime.InteropServices;
using Marrow.Engine.Cpu;
using Marrow.Formats.Numerics;

namespace Marrow.Engine.Tests.Cpu;

/// <summary>A random matrix in native memory, with known bits before and after it and in the gaps between its rows.</summary>
internal sealed unsafe class GuardedMatrix : IDisposable
{
    private const int Guard = 40;
    private const ushort GuardBits = 0x7FC1; // a NaN in bf16, and twice over in fp32: a stray read shows in the result
    private readonly ushort* _memory;
    private readonly int _count;
    private readonly int _halves;

    public GuardedMatrix(int rows, int columns, int gap, int seed, bool bfloat16 = false)
    {
        Rows = rows;
        Columns = columns;
        Stride = columns + gap;
        _count = rows * Stride;
        _halves = bfloat16 ? 1 : 2;
        int memory = (_count + 2 * Guard) * _halves;
        _memory = (ushort*)NativeMemory.Alloc((nuint)memory, sizeof(ushort));
        new Span<ushort>(_memory, memory).Fill(GuardBits);
        Values = new double[rows, columns];
        var random = new Random(seed);
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++)
            {
                float value = random.NextSingle() * 2 - 1;
                if (bfloat16)
                    ((BFloat16*)Data)[i * Stride + j] = (BFloat16)value;
                else
                    Data[i * Stride + j] = value;
                Values[i, j] = bfloat16 ? (float)(BFloat16)value : value;
            }
        }
    }

    public int Rows { get; }

    public int Columns { get; }

    public int Stride { get; }

    public float* Data => (float*)(_memory + Guard * _halves);

    /// <summary>What the matrix held at first.</summary>
    public double[,] Values { get; }

    public GemmOperand Operand(bool transposed, bool bfloat16 = false) =>
        bfloat16 ? new GemmOperand((BFloat16*)Data, Stride, transposed) : new GemmOperand(Data, Stride, transposed);

    public float[] Bits()
    {
        var all = new float[Rows * Columns];
        for (int i = 0; i < Rows; i++)
            new ReadOnlySpan<float>(Data + i * Stride, Columns).CopyTo(all.AsSpan(i * Columns));
        return all;
    }

    public void AssertGuards()
    {
        for (int at = -Guard; at < _count + Guard; at++)
        {
            if (at < 0 || at >= _count || at % Stride >= Columns)
                Assert.True(new Span<ushort>(_memory + (at + Guard) * _halves, _halves).IndexOfAnyExcept(GuardBits) < 0, $"element {at} beside a {Rows}x{Columns} matrix of stride {Stride} was written");
        }
    }

    public void Dispose() => NativeMemory.Free(_memory);
}
