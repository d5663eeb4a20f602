using System.Globalization;
using System.Text;
using Marrow.Formats.Numerics;

namespace Marrow.Formats.PyTorch;

/// <summary>
/// Writes .pth files in torch's zip form, an OrderedDict of plain tensors, which torch.load takes with weights_only=True too
/// (spec/formats.md §4.4). Tensors keep their order and are streamed; the same input gives the same bytes. The file appears whole or not at all.
/// </summary>
public static class PthWriter
{
    private const string Root = "archive";
    private const int MostDimensions = 32;
    private const int LongestName = 65_535;

    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    /// <summary>Writes one file. Storable are F32, F16, BF16, F64, I64, I32, I16, I8, U8, Bool and C64. <paramref name="check"/> is given the finished file under its temporary name, before it takes the place of another.</summary>
    /// <exception cref="MarrowException">PT031 a name comes twice; PT034 a name, type or shape cannot be stored; IO008, IO009 the file cannot be written.</exception>
    public static void Write(string path, IReadOnlyList<TensorToWrite> tensors, Action<string>? check = null) => Write(path, tensors, uint.MaxValue, check);

    /// <summary>The same; numbers of at least <paramref name="zip64From"/> stand in ZIP64 records.</summary>
    internal static void Write(string path, IReadOnlyList<TensorToWrite> tensors, long zip64From, Action<string>? check = null)
    {
        HashSet<string> names = [];
        long[] bytes = [.. tensors.Select(t => Measure(path, t, names))];
        AtomicFile.Write(path, stream =>
        {
            ZipOutput zip = new(stream, zip64From);
            zip.Add($"{Root}/data.pkl", PickleOutput.StateDict(tensors));
            zip.Add($"{Root}/byteorder", "little"u8.ToArray());
            for (int i = 0; i < tensors.Count; i++)
                zip.Add(string.Create(CultureInfo.InvariantCulture, $"{Root}/data/{i}"), bytes[i], tensors[i].Write);
            zip.Add($"{Root}/version", "3\n"u8.ToArray());
            zip.Finish();
        }, bytes.Sum(), check);
    }

    private static long Measure(string path, TensorToWrite tensor, HashSet<string> names)
    {
        string name = Echo.Name(tensor.Name);
        if (!names.Add(tensor.Name))
            throw new ModelFileException("PT031", path, $"two tensors have the name '{name}'; rename one");
        if (!IsStorable(tensor.Name))
            throw new ModelFileException("PT034", path, $"'{name}' cannot be a tensor's name; use valid Unicode of at most {LongestName} bytes");
        if (TorchName.StorageOf(tensor.DType) is null)
            throw new ModelFileException("PT034", path, $"tensor '{name}': torch has no storage class for {tensor.DType}; convert it, or write safetensors");
        UInt128 count = 1, strides = 1;
        foreach (long size in tensor.Shape)
        {
            count *= (ulong)Math.Max(size, 0);
            strides *= (ulong)Math.Max(size, 1);
            if (size < 0 || strides > long.MaxValue / 128 || tensor.Shape.Count > MostDimensions)
                throw new ModelFileException("PT034", path,
                    $"tensor '{name}': shape [{string.Join(',', tensor.Shape)}] is negative, has more than {MostDimensions} dimensions or overflows");
        }
        return tensor.DType.Bytes((long)count);
    }

    private static bool IsStorable(string name)
    {
        try
        {
            return StrictUtf8.GetByteCount(name) <= LongestName;
        }
        catch (EncoderFallbackException)
        {
            return false;
        }
    }
}
