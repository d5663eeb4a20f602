using System.Runtime.InteropServices;
using Marrow.Formats.Conversion;
using Marrow.Formats.Numerics;
using Marrow.Formats.Tests.Rwkv;

namespace Marrow.Formats.Tests.Conversion;

public class TensorCastTests
{
    private static readonly DType[] Plain = [DType.F32, DType.F16, DType.BF16, DType.F64];

    public static TheoryData<DType, DType> Pairs()
    {
        TheoryData<DType, DType> pairs = [];
        foreach (DType from in Plain)
            foreach (DType to in Plain.Append(DType.Q8_0))
                pairs.Add(from, to);
        pairs.Add(DType.Q8_0, DType.F32);
        pairs.Add(DType.Q8_0, DType.BF16);
        return pairs;
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void GivesTheSameBytesWhateverTheThreadsAndThePieces(DType from, DType to)
    {
        // More than a few pieces, and a last one that is not whole.
        const int count = 9 * (1 << 18) + 7 * 32;
        float[] values = Random(count, 5);
        byte[] stored = new byte[from.Bytes(count)], expected = new byte[to.Bytes(count)];
        StoredElements.FromFloats(from, values, stored);
        StoredElements.ToFloats(from, stored, values);
        StoredElements.FromFloats(to, values, expected);
        if (from == to)
            expected = stored;
        foreach ((int threads, int write) in new[] { (1, 1 << 20), (3, 999_999), (64, 1 << 21) })
        {
            using var pieces = new TensorPieces(threads);
            using var target = new MemoryStream();
            long told = 0;
            new TensorCast(pieces, Of(stored, from, write), to, "memory") { Progress = b => told += b }.Written.Write(target);
            Assert.Equal((expected.LongLength, expected.LongLength), (target.Length, told));
            Assert.True(target.GetBuffer().AsSpan(0, expected.Length).SequenceEqual(expected), $"{from} -> {to} with {threads} threads");
        }
    }

    [Fact]
    public void TellsWhatWasLost()
    {
        float[] values = Random(40_000, 3);
        byte[] stored = TinyModels.Bytes(values);
        Assert.InRange(Cast(stored, DType.F32, DType.Q8_0).RelativeError!.Value, 0.001, 0.01);
        Assert.InRange(Cast(stored, DType.F32, DType.BF16).RelativeError!.Value, 0.0005, 0.004);
        Assert.False(Cast(stored, DType.F32, DType.F16).Exact);
        float[] round = [.. values.Select(v => (float)(BFloat16)v)];
        TensorCast exact = Cast(TinyModels.Bytes(round), DType.F32, DType.BF16);
        Assert.True(exact.Exact);
        Assert.Null(exact.RelativeError);
        Assert.True(Cast(stored, DType.F32, DType.F32).Exact);
        Assert.True(Cast(stored[..(34 * 100)], DType.Q8_0, DType.F32).Exact);
    }

    [Fact]
    public void ValuesThatCannotBeQuantisedAreRefusedByTheirPlace()
    {
        float[] values = Random(2_000_000, 4);
        values[1_500_001] = float.NaN;
        values[1_900_000] = float.PositiveInfinity;
        ModelFileException error = Assert.Throws<ModelFileException>(() => Cast(TinyModels.Bytes(values), DType.F32, DType.Q8_0));
        Assert.Equal("CV004", error.Code);
        Assert.Contains("'w'", error.Message, StringComparison.Ordinal);
        Assert.Contains("element 1500001", error.Message, StringComparison.Ordinal);
        // Plain types keep them.
        Assert.False(Cast(TinyModels.Bytes(values), DType.F32, DType.F16).Exact);
    }

    [Theory]
    [InlineData(DType.Q8_0, 1e7f)]
    [InlineData(DType.Q8_0, 1e30f)]
    [InlineData(DType.Q4_K, 1e9f)]
    [InlineData(DType.Q4_K, 1e38f)]
    [InlineData(DType.Q6_K, 1e9f)]
    [InlineData(DType.Q6_K, -1e30f)]
    public void ValuesBeyondTheScaleOfABlockAreRefusedByTheirPlace(DType type, float value)
    {
        float[] values = Random(1 << 16, 4);
        values[39_936] = value;
        ModelFileException error = Assert.Throws<ModelFileException>(() => Cast(TinyModels.Bytes(values), DType.F32, type));
        Assert.Equal("CV004", error.Code);
        Assert.Contains("element 39936 ", error.Message, StringComparison.Ordinal);
        Assert.Contains("BF16", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ValuesBeyondF16AreCountedAndRefused()
    {
        float[] values = Random(1_000_000, 4);
        foreach (int at in new[] { 0, 77_777, 999_999 })
            values[at] = at % 2 == 0 ? 65_520 : -1e9f;
        values[5] = 65_519;
        values[6] = float.NegativeInfinity;
        ModelFileException error = Assert.Throws<ModelFileException>(() => Cast(TinyModels.Bytes(values), DType.F32, DType.F16));
        Assert.Equal("CV005", error.Code);
        Assert.Contains(" 3 values", error.Message, StringComparison.Ordinal);
        Assert.Contains("BF16", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void DoublesAreExactOnlyWhereTheTypeHoldsThem()
    {
        Assert.True(Cast(Doubles(0.5, -3, 1 << 20, 0, double.NaN), DType.F64, DType.F32).Exact);
        TensorCast rounded = Cast(Doubles(0.5, 0.1, -3), DType.F64, DType.F32);
        Assert.False(rounded.Exact);
        Assert.InRange(rounded.RelativeError!.Value, 1e-10, 1e-8);
        foreach (DType to in new[] { DType.F32, DType.BF16, DType.F16 })
        {
            ModelFileException error = Assert.Throws<ModelFileException>(() => Cast(Doubles(1, 1e300, double.PositiveInfinity), DType.F64, to));
            Assert.Equal("CV005", error.Code);
            Assert.Contains(" 1 values", error.Message, StringComparison.Ordinal);
        }
        Assert.Equal("CV005", Assert.Throws<ModelFileException>(() => Cast(TinyModels.Bytes([1, float.MaxValue]), DType.F32, DType.BF16)).Code);

        static byte[] Doubles(params double[] values) => MemoryMarshal.AsBytes(values.AsSpan()).ToArray();
    }

    [Fact]
    public void FailuresOfReadingAndWritingComeBackAsTheyAre()
    {
        using var pieces = new TensorPieces(2);
        byte[] stored = new byte[30 << 20];
        foreach (DType to in new[] { DType.F32, DType.Q8_0 })
        {
            TensorToWrite broken = new("w", DType.F32, [stored.Length / 4], stream =>
            {
                stream.Write(stored.AsSpan(0, 20 << 20));
                throw new FormatException();
            });
            Assert.Throws<FormatException>(() => new TensorCast(pieces, broken, to, "memory").Written.Write(Stream.Null));
            Assert.Throws<IOException>(() => new TensorCast(pieces, Of(stored, DType.F32, 1 << 20), to, "memory").Written.Write(new Full(1 << 20)));
            // The buffers serve the next tensor.
            using var target = new MemoryStream();
            new TensorCast(pieces, Of(stored, DType.F32, 1 << 20), to, "memory").Written.Write(target);
            Assert.Equal(to.Bytes(stored.Length / 4), target.Length);
        }
    }

    private static TensorCast Cast(byte[] stored, DType from, DType to)
    {
        using var pieces = new TensorPieces(2);
        var cast = new TensorCast(pieces, Of(stored, from, 1 << 20), to, "memory");
        cast.Written.Write(Stream.Null);
        return cast;
    }

    private static TensorToWrite Of(byte[] stored, DType type, int write)
    {
        long count = type == DType.Q8_0 ? stored.Length / 34 * 32 : stored.Length / (type.Bits() / 8);
        return new("w", type, [count], stream =>
        {
            for (int at = 0; at < stored.Length; at += write)
                stream.Write(stored.AsSpan(at, Math.Min(write, stored.Length - at)));
        });
    }

    private static float[] Random(int count, int seed)
    {
        var random = new Random(seed);
        var values = new float[count];
        for (int i = 0; i < count; i++)
            values[i] = (float)(random.NextDouble() - 0.5);
        return values;
    }

    /// <summary>A disk that is full after so many bytes.</summary>
    private sealed class Full(long room) : SinkStream
    {
        public override void Write(ReadOnlySpan<byte> buffer)
        {
            Position += buffer.Length;
            if (Position > room)
                throw new IOException("No space left on device");
        }
    }
}
