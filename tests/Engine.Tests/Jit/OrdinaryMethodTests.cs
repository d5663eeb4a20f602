using System.Reflection;
using Marrow.Engine.Jit;
using Marrow.Formats;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Jit;

/// <summary>Methods that nobody wrote as kernels: each is translated or refused by a coded error, never by another exception.</summary>
public sealed class OrdinaryMethodTests(ITestOutputHelper output)
{
    private static readonly Dialect OpenCl = new(DialectLanguage.OpenCl, false, false);

    public static TheoryData<string> Libraries => [.. new[] { typeof(object), typeof(Enumerable), typeof(Kernel), typeof(MarrowException), typeof(OrdinaryMethodTests), typeof(Unoptimised.SampleKernels), typeof(System.Text.Json.JsonDocument) }.Select(t => t.Assembly.GetName().Name!)];

    [Theory]
    [MemberData(nameof(Libraries))]
    public void Methods_are_translated_or_refused_by_code(string library)
    {
        int translated = 0, refused = 0;
        var wrong = new List<string>();
        foreach (MethodInfo method in Methods(Assembly.Load(library)))
        {
            try
            {
                new TranslationUnit("Fuzz", OpenCl, 32).Function(method, []);
                translated++;
            }
            catch (MarrowException e) when (e.Code.StartsWith("JT", StringComparison.Ordinal) && e.Message.Contains(e.Code, StringComparison.Ordinal))
            {
                refused++;
            }
            catch (Exception e)
            {
                wrong.Add($"{method.DeclaringType}.{method}: {e.GetType().Name}: {e.Message} {e.StackTrace?.Split('\n').FirstOrDefault()}");
            }
        }
        output.WriteLine($"{library}: {translated} translated, {refused} refused");
        Assert.True(wrong.Count == 0, $"{wrong.Count}\n{string.Join("\n", wrong.Take(20))}");
        Assert.True(translated + refused > 0);
    }

    // Static methods whose signature a kernel could call; type parameters become float where that is allowed.
    private static IEnumerable<MethodInfo> Methods(Assembly assembly)
    {
        foreach (Type type in assembly.GetTypes().Where(t => !t.ContainsGenericParameters))
        {
            foreach (MethodInfo method in type.GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            {
                if (Closed(method) is { } closed && CType.Of(closed.ReturnType) is not null)
                    yield return closed;
            }
        }
    }

    private static MethodInfo? Closed(MethodInfo method)
    {
        if (!method.IsGenericMethodDefinition)
            return method;
        try
        {
            return method.MakeGenericMethod([.. method.GetGenericArguments().Select(_ => typeof(float))]);
        }
        catch (ArgumentException)
        {
            return null;
        }
    }
}
