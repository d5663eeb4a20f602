namespace Marrow.Formats.Conversion;

/// <summary>Reads a written model again and compares every tensor with what it was made of, byte for byte.</summary>
internal static class WrittenCheck
{
    /// <summary>Makes every tensor once more and compares it with the file's, which is to be called <paramref name="path"/>.</summary>
    /// <exception cref="ModelFileException">CV006 a tensor is missing, has another type or shape, or other bytes.</exception>
    public static void Compare(string path, ITensorSource written, IReadOnlyList<TensorToWrite> expected)
    {
        if (written.Tensors.Count != expected.Count)
            throw Wrong(path, $"has {written.Tensors.Count} tensors, {expected.Count} were written");
        foreach (TensorToWrite tensor in expected)
        {
            string name = Echo.Name(tensor.Name);
            if (!written.Tensors.TryGetValue(tensor.Name, out TensorInfo? info))
                throw Wrong(path, $"lacks tensor '{name}', which was written");
            if (info.DType != tensor.DType || info.Count != tensor.Count)
                throw Wrong(path, $"has tensor '{name}' as {info.DType} {info.ShapeText}, it was written as {tensor.DType} [{string.Join(',', tensor.Shape)}]");
            using var comparison = new Comparison(path, written, info);
            tensor.Write(comparison);
            if (comparison.Position != info.ByteLength)
                throw Wrong(path, $"has {info.ByteLength} bytes of tensor '{name}', {comparison.Position} were written");
        }
    }

    private static ModelFileException Wrong(string path, string how) =>
        new("CV006", path, $"{how}, so it is not kept; the disk or the memory of this machine is at fault, or another program wrote to the file: convert the model again");

    /// <summary>Takes the bytes that a tensor should have.</summary>
    private sealed class Comparison(string path, ITensorSource written, TensorInfo info) : SinkStream
    {
        private readonly byte[] _there = new byte[Math.Min(1 << 20, Math.Max(1, info.ByteLength))];

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            while (!buffer.IsEmpty)
            {
                Span<byte> there = _there.AsSpan(0, Math.Min(_there.Length, buffer.Length));
                if (there.Length > info.ByteLength - Position)
                    throw Wrong(path, $"has only {info.ByteLength} bytes of tensor '{Echo.Name(info.Name)}'");
                written.Read(info.Name, Position, there);
                int same = there.CommonPrefixLength(buffer);
                if (same < there.Length)
                    throw Wrong(path, $"differs in tensor '{Echo.Name(info.Name)}' at byte {Position + same}");
                Position += same;
                buffer = buffer[same..];
            }
        }
    }
}
