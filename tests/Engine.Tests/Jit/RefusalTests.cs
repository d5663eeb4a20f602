using System.Reflection;
using Marrow.Engine.Jit;
using Marrow.Formats;
using Marrow.Formats.Numerics;

namespace Marrow.Engine.Tests.Jit;

public sealed class RefusalTests
{
    private static readonly Dictionary<string, (string Code, string Construct)> Reasons = new()
    {
        ["Throws"] = ("JT001", "InvalidOperationException"),
        ["Allocates"] = ("JT001", "Gpu.Private"),
        ["Stackallocs"] = ("JT001", "native integer"),
        ["Concatenates"] = ("JT001", "a string"),
        ["Delegates"] = ("JT001", "a delegate"),
        ["ReadsMutableState"] = ("JT001", "static field RefusedKernels.s_mutable"),
        ["UsesDouble"] = ("JT001", "double precision"),
        ["Recurses"] = ("JT002", "calls itself"),
        ["SizesByArgument"] = ("JT001", "[Const]"),
        ["SharesInFunction"] = ("JT001", "Gpu.Shared outside"),
        ["ReturnsBeforeBarrier"] = ("JT004", "behind a return"),
        ["Switches"] = ("JT001", "switch"),
        ["TakesString"] = ("JT001", "parameter name of type String"),
        ["AtomicOnPrivate"] = ("JT001", "Private memory"),
        ["Catches"] = ("JT001", "uses try"),
        ["ChecksOverflow"] = ("JT001", "checked arithmetic"),
        ["RefersToComponent"] = ("JT001", "component of a vector"),
        ["ReturnsPrivate"] = ("JT001", "a return of Gpu.Private"),
        ["JumpsIntoLoop"] = ("JT001", "goto into a loop"),
        ["WaitsInFunction"] = ("JT004", "behind a return"),
        ["TakesLogarithm"] = ("JT001", "MathF.Log,"),
        ["RoundsToDigits"] = ("JT001", "MathF.Round,"),
        ["TakesReference"] = ("JT001", "parameter y of type Single&"),
        ["HasResult"] = ("JT001", "a result of type Single"),
        ["ViewsBools"] = ("JT001", "parameter x"),
        ["ReadsMutableProperty"] = ("JT001", "static field RefusedKernels.s_mutable"),
        ["CallsNative"] = ("JT001", "a body that is not IL"),
        ["RefersToConstant"] = ("JT001", "which is constant"),
        ["RecursesByType"] = ("JT002", "deeper than"),
        ["NamesDouble"] = ("JT001", "double precision"),
    };

    public static TheoryData<string> Names => [.. typeof(RefusedKernels).GetMethods(BindingFlags.Static | BindingFlags.Public).Where(m => m.IsDefined(typeof(KernelAttribute))).Select(m => m.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Names_the_kernel_and_the_construct(string name)
    {
        var kernel = Kernel.Of(typeof(RefusedKernels), name);
        int count = kernel.Method.GetParameters().Length;
        foreach (DialectLanguage language in Enum.GetValues<DialectLanguage>())
        {
            MarrowException refusal = Assert.Throws<MarrowException>(() => KernelTranslator.Translate(kernel, new DType[count], new ulong[count], 32, new Dialect(language, false, false)));
            (string code, string construct) = Reasons[name];
            Assert.Equal(code, refusal.Code);
            Assert.Contains($"RefusedKernels.{name}", refusal.Message, StringComparison.Ordinal);
            Assert.Contains(construct, refusal.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Names_the_line_in_the_source()
    {
        var kernel = Kernel.Of(typeof(RefusedKernels), nameof(RefusedKernels.Allocates));
        MarrowException refusal = Assert.Throws<MarrowException>(() => KernelTranslator.Translate(kernel, new DType[2], new ulong[2], 32, new Dialect(DialectLanguage.OpenCl, false, false)));
        Assert.Matches(@"RefusedKernels\.cs:\d+", refusal.Message);
    }

    [Fact]
    public void Two_tensors_of_one_type_parameter_must_agree()
    {
        var kernel = Kernel.Of(typeof(SampleKernels), nameof(SampleKernels.Vectors));
        MarrowException refusal = Assert.Throws<MarrowException>(() => KernelTranslator.Translate(kernel, [DType.F32, DType.BF16, DType.F32, DType.F32], new ulong[4], 32, new Dialect(DialectLanguage.OpenCl, false, false)));
        Assert.Equal("JT003", refusal.Code);
    }
}
