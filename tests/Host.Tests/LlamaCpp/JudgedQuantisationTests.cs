using System.Runtime.InteropServices;
using System.Text;
using Marrow.Formats;
using Marrow.Formats.Gguf;
using Xunit.Abstractions;

namespace Marrow.Host.Tests.LlamaCpp;

/// <summary>Quantised files against llama.cpp's own quantisation, called in its library: the same type for every tensor, and the same bytes.</summary>
public sealed unsafe class JudgedQuantisationTests(ITestOutputHelper output)
{
    private static readonly string[] Some = ["Q8_0", "Q4_K_M", "Q3_K_M", "Q2_K", "Q4_0"],
        All = [.. Some, "Q6_K", "Q5_K_M", "Q5_K_S", "Q4_K_S", "Q3_K_L", "Q3_K_S", "Q5_1", "Q5_0", "Q4_1", "F16", "BF16"];

    [Theory]
    [InlineData("llama")]
    [InlineData("qwen3")]
    [InlineData("gemma2")]
    [InlineData("rwkv7")]
    public void Files_are_llama_cpps_byte_for_byte(string family)
    {
        if (!LlamaCppProcess.IsInstalled(output, out string packages) || !OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
            return;
        using var folder = new TemporaryFolder();
        string model = SmallModel.Write(folder["model"], family), plain = folder["plain.gguf"];
        MarrowProcess.Done("convert", model, plain, "--store-as", "fp32");
        var library = new Library(Path.Combine(packages, "@node-llama-cpp", "linux-x64", "bins", "linux-x64"));
        foreach (string name in family == "llama" ? All : Some)
        {
            string theirs = folder[$"{name}-theirs.gguf"], ours = folder[$"{name}-ours.gguf"];
            Assert.Equal(0u, library.Quantise(plain, theirs, GgufFileType.Parse(name).Number));
            MarrowProcess.Done("convert", plain, ours, "--store-as", name);
            Compare(name, theirs, ours);
        }
    }

    private void Compare(string name, string theirs, string ours)
    {
        using GgufFile a = GgufFile.Open(theirs), b = GgufFile.Open(ours);
        Assert.Equal(a.Tensors.Keys.Order(), b.Tensors.Keys.Order());
        foreach (TensorInfo tensor in a.Tensors.Values)
        {
            TensorInfo other = b.Tensors[tensor.Name];
            Assert.True(tensor.DType == other.DType, $"{name}: {tensor.Name} {tensor.ShapeText} is {tensor.DType} in llama.cpp's file and {other.DType} in ours");
            byte[] want = new byte[tensor.ByteLength], got = new byte[other.ByteLength];
            a.Read(tensor.Name, 0, want);
            b.Read(tensor.Name, 0, got);
            Assert.True(want.AsSpan().SequenceEqual(got), $"{name}: {tensor.Name} {tensor.DType} {tensor.ShapeText} differs from llama.cpp's, first at byte {want.AsSpan().CommonPrefixLength(got)}");
        }
        output.WriteLine($"{name}: {a.Tensors.Count} tensors, the same bytes");
    }

    /// <summary>The library that node's package brings.</summary>
    private sealed class Library
    {
        private readonly delegate* unmanaged<Parameters> _defaults;
        private readonly delegate* unmanaged<byte*, byte*, Parameters*, uint> _quantise;

        public Library(string folder)
        {
            nint ggml = NativeLibrary.Load(Directory.GetFiles(folder, "libggml.*so").Single()), llama = NativeLibrary.Load(Directory.GetFiles(folder, "libllama.*so").Single());
            fixed (byte* path = Encoding.UTF8.GetBytes(folder + "\0"))
                ((delegate* unmanaged<byte*, void>)NativeLibrary.GetExport(ggml, "ggml_backend_load_all_from_path"))(path);
            ((delegate* unmanaged<void>)NativeLibrary.GetExport(llama, "llama_backend_init"))();
            _defaults = (delegate* unmanaged<Parameters>)NativeLibrary.GetExport(llama, "llama_model_quantize_default_params");
            _quantise = (delegate* unmanaged<byte*, byte*, Parameters*, uint>)NativeLibrary.GetExport(llama, "llama_model_quantize");
        }

        public uint Quantise(string from, string to, int type)
        {
            Parameters parameters = _defaults();
            (parameters.Threads, parameters.Type) = (2, type);
            fixed (byte* source = Encoding.UTF8.GetBytes(from + "\0"), target = Encoding.UTF8.GetBytes(to + "\0"))
                return _quantise(source, target, &parameters);
        }

        // llama.h begins its struct with the threads and the file type; the rest, of whatever size, is left as the library fills it in.
        [StructLayout(LayoutKind.Sequential, Size = 1024)]
        private struct Parameters
        {
            public int Threads, Type;
        }
    }
}
