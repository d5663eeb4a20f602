using Marrow.Formats.Conversion;
using Marrow.Formats.HuggingFace;

namespace Marrow.Formats.Tests.Conversion;

/// <summary>A temporary folder in which models are converted by their names.</summary>
internal sealed class ConvertedFiles : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public string Path => _folder.Path;

    public string this[params string[] parts] => _folder[parts];

    public void Dispose() => _folder.Dispose();

    public ConversionReport Convert(string from, string to, ConversionOptions? options = null, Func<SourceModel, SourceModel>? changed = null)
    {
        using ModelFolder model = ModelFolder.Open(_folder[from]);
        SourceModel source = SourceModel.Of(model);
        return ModelConversion.Write(_folder[to], ModelConversion.KindOf(to), changed?.Invoke(source) ?? source, options);
    }

    /// <summary>A conversion that must fail with nothing left at the target; its message.</summary>
    public string Refused(string code, string from, string to, ConversionOptions? options = null)
    {
        MarrowException error = Assert.ThrowsAny<MarrowException>(() => Convert(from, to, options));
        Assert.Equal(code, error.Code);
        Assert.False(System.IO.Path.Exists(_folder[to]));
        return error.Message;
    }

    /// <summary>Both hold the same tensors, byte for byte.</summary>
    public void AssertSame(ITensorSource expected, string path)
    {
        using ModelFolder model = ModelFolder.Open(_folder[path]);
        AssertSame(expected, model.Tensors);
    }

    public void AssertSame(string expected, string path)
    {
        using ModelFolder model = ModelFolder.Open(_folder[expected]);
        AssertSame(model.Tensors, path);
    }

    public static byte[] Bytes(ITensorSource source, string name)
    {
        byte[] bytes = new byte[source.Require(name).ByteLength];
        source.Read(name, 0, bytes);
        return bytes;
    }

    private static void AssertSame(ITensorSource expected, ITensorSource actual)
    {
        Assert.Equal(expected.Tensors.Values.Select(Described).Order(), actual.Tensors.Values.Select(Described).Order());
        foreach (string name in expected.Tensors.Keys)
            Assert.True(Bytes(expected, name).AsSpan().SequenceEqual(Bytes(actual, name)), name);

        static string Described(TensorInfo info) => $"{info.Name} {info.DType} {info.ShapeText}";
    }
}
