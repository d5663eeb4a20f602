using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Tokenizers;

namespace Marrow.Formats.Tests.Fuzzing;

/// <summary>What a program reads of files that were taken.</summary>
internal static class Reading
{
    private const int MostValues = 300, MostBytes = 1 << 16;

    private static readonly ChatMessage[] Talk = [new("system", "S"), new("user", "ab <s> é\n"), new("assistant", "c")];

    /// <summary>The ends of every tensor, and values of those that are real.</summary>
    public static void Tensors(ITensorSource source)
    {
        foreach (TensorInfo tensor in source.Tensors.Values)
        {
            Assert.Equal(tensor.ByteLength, tensor.DType.Bytes(tensor.Count));
            byte[] bytes = new byte[Math.Min(tensor.ByteLength, MostBytes)];
            source.Read(tensor.Name, 0, bytes);
            if (bytes.Length > 0)
                source.Read(tensor.Name, tensor.ByteLength - 1, bytes.AsSpan(0, 1));
            if (tensor.DType.IsReal())
                source.ReadFloats(tensor.Name, 0, new float[Math.Min(tensor.Count, MostValues)]);
            source.FirstFault(tensor.Name);
        }
        Assert.True(source.Metadata.Count >= 0);
    }

    /// <summary>A model, its tensors and its tokenizer.</summary>
    public static void Model(string path)
    {
        using ModelFolder model = ModelFolder.Open(path);
        Tensors(model.Tensors);
        if (ModelTokenizer.Of(model) is { } tokenizer)
            Tokenizer(tokenizer);
    }

    /// <summary>A text there and back, and a conversation.</summary>
    public static void Tokenizer(ModelTokenizer model)
    {
        IReadOnlyList<int> ids = model.Tokenizer.Encode("ab <s>c é\n日本 1234 it's   x</s>", addSpecial: true, parseSpecial: true);
        model.Tokenizer.Decode(ids, skipSpecial: true);
        IStreamingDecoder stream = model.Tokenizer.CreateStreamingDecoder(skipSpecial: false);
        foreach (int id in ids)
            stream.Push(id);
        stream.Flush();
        model.ChatTemplate?.Render(Talk, addGenerationPrompt: true);
    }
}
