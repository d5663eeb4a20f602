using System.Reflection;
using Marrow.Engine.Jit;
using Marrow.Formats.Numerics;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Jit;

public sealed class TranslationTests(ITestOutputHelper output)
{
    /// <summary>Set to write the golden texts anew; look at the difference before you keep it.</summary>
    private const string Rewrite = "MARROW_REWRITE_GOLDEN";

    private static readonly bool IsDebugBuild = typeof(Kernel).Assembly.GetCustomAttribute<AssemblyConfigurationAttribute>()?.Configuration == "Debug";

    private static readonly Dialect OpenCl = new(DialectLanguage.OpenCl, false, false), Cuda = new(DialectLanguage.Cuda, true, true);

    public static TheoryData<string> Kernels => [.. EngineKernels.All.Keys];

    /// <summary>Kernels whose texts are kept and reviewed: one of each kind.</summary>
    public static TheoryData<string> Golden =>
    [
        "AddNode.SumKernel", "RmsNormNode.ForwardKernel", "SwiGluNode.BackwardKernel", "RopeNode.RotateKernel", "BlockSumNode.SumKernel", "EmbeddingNode.GatherKernel",
        "DropoutNode.MaskKernel", "LinearCrossEntropyNode.RowKernel", "AttentionNode.ForwardTile", "OptimizerKernels.UpdateKernel",
    ];

    [Fact]
    public void Every_marked_method_is_declared_as_a_kernel()
    {
        Assert.NotEmpty(EngineKernels.All);
        HashSet<string> declared = [.. EngineKernels.All.Values.Select(k => k.Name)];
        string[] marked = [.. EngineKernels.Methods.Select(m => $"{m.DeclaringType!.Name}.{m.Name}")];
        Assert.Equal([], marked.Except(declared));
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Every_kernel_translates_for_both_languages(string name)
    {
        Kernel kernel = EngineKernels.All[name];
        foreach (Dialect dialect in (Dialect[])[OpenCl, Cuda])
        {
            foreach (DType element in kernel.ElementOf.Any(e => e >= 0) ? (DType[])[DType.F32, DType.BF16] : [DType.F32])
            {
                KernelText text = EngineKernels.Translate(kernel, element, dialect);
                Assert.Contains(text.Entry, text.Source, StringComparison.Ordinal);
                Assert.DoesNotContain("goto", EngineKernels.Body(kernel, element, dialect), StringComparison.Ordinal);
                Assert.Equal(text.Source, EngineKernels.Translate(kernel, element, dialect).Source);
            }
        }
    }

    [Fact]
    public void Kernels_that_read_weights_translate_for_every_block_type()
    {
        foreach ((string name, string parameter) in EngineKernels.OfBlocks)
        {
            Kernel kernel = EngineKernels.All[name];
            foreach (Dialect dialect in (Dialect[])[OpenCl, Cuda])
            {
                foreach (DType block in BlockElements.All)
                {
                    string body = EngineKernels.Body(kernel, DType.F32, parameter, block, dialect);
                    // Behind the functions that decode.
                    Assert.Matches($@"load4?_{block}\(", body[body.IndexOf($"BLOCK_ELEMENT({block})", StringComparison.Ordinal)..]);
                    Assert.DoesNotContain("goto", body, StringComparison.Ordinal);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Golden))]
    public void The_text_is_the_one_that_was_reviewed(string name)
    {
        // The C# compiler keeps other locals in a Release build, so names differ there; meaning is what the other tests look at.
        if (!IsDebugBuild)
        {
            output.WriteLine("skipped: the texts are kept as a Debug build gives them, which is what dotnet test makes");
            return;
        }
        Kernel kernel = EngineKernels.All[name];
        Compare($"{name}.cl", EngineKernels.Body(kernel, DType.F32, OpenCl));
        Compare($"{name}.bf16.cu", EngineKernels.Body(kernel, kernel.ElementOf.Any(e => e >= 0) ? DType.BF16 : DType.F32, Cuda));
    }

    private static void Compare(string file, string text)
    {
        string path = Repository.PathOf("tests", "Engine.Tests", "Jit", "Golden", file);
        if (Environment.GetEnvironmentVariable(Rewrite) == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, text);
        }
        Assert.True(File.Exists(path), $"{path} is missing: write it with {Rewrite}=1 and read it");
        Assert.Equal(File.ReadAllText(path), text);
    }
}
