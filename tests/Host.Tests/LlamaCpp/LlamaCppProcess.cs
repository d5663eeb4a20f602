using System.Diagnostics;
using System.Text.Json;
using Xunit.Abstractions;

namespace Marrow.Host.Tests.LlamaCpp;

/// <summary>llama.cpp, run by node on files that Marrow wrote: the judge of what is in them (tests/LlamaCpp/judge.mjs says how it is asked).</summary>
public sealed class LlamaCppProcess : IDisposable
{
    private static readonly JsonSerializerOptions Web = new(JsonSerializerDefaults.Web);
    private const string NotInstalled = "llama.cpp is not installed; run: npm install --prefix tests/LlamaCpp --no-package-lock --omit=optional --ignore-scripts";
    private readonly Process? _process;
    private readonly string _absence;

    public LlamaCppProcess()
    {
        if (!Directory.Exists(Path.Combine(Packages, "node-llama-cpp")))
        {
            _absence = NotInstalled;
        }
        else
        {
            try
            {
                _process = Process.Start(new ProcessStartInfo("node", ["judge.mjs"]) { WorkingDirectory = Path.GetDirectoryName(Packages), RedirectStandardInput = true, RedirectStandardOutput = true });
                _absence = "";
            }
            catch (System.ComponentModel.Win32Exception e)
            {
                _absence = $"there is no node here: {e.Message}";
            }
        }
        // CI installs it, so there its absence is a failure.
        if (_process is null && Environment.GetEnvironmentVariable("MARROW_LLAMA_CPP") == "required")
            throw new InvalidOperationException(_absence);
    }

    public sealed record Lora(string Path, double Scale = 1);

    public sealed record Request(string Model, int[] Tokens, Lora[]? Lora = null, string[]? Texts = null, int Greedy = 0);

    public sealed record Answer(float[][]? Logits, int[][]? Ids, int[]? Greedy, string? Architecture, string? Error);

    private static string Packages => Repository.PathOf("tests", "LlamaCpp", "node_modules");

    /// <summary>Where node's packages lie; prints the reason where they do not.</summary>
    public static bool IsInstalled(ITestOutputHelper output, out string packages)
    {
        packages = Packages;
        bool found = Directory.Exists(Path.Combine(packages, "node-llama-cpp"));
        if (!found)
            output.WriteLine($"skipped: {NotInstalled}");
        return found;
    }

    /// <summary>Whether it can be asked; prints the reason where not.</summary>
    public bool IsHere(ITestOutputHelper output)
    {
        if (_process is null)
            output.WriteLine($"skipped: {_absence}");
        return _process is not null;
    }

    /// <summary>Its answer, which must not be an error.</summary>
    public Answer Ask(Request request)
    {
        Answer answer = TryAsk(request);
        Assert.True(answer.Error is null, $"llama.cpp: {answer.Error}");
        return answer;
    }

    /// <summary>Its answer, or its error.</summary>
    public Answer TryAsk(Request request)
    {
        _process!.StandardInput.WriteLine(JsonSerializer.Serialize(request with { Lora = request.Lora ?? [], Texts = request.Texts ?? [] }, Web));
        _process.StandardInput.Flush();
        while (_process.StandardOutput.ReadLine() is { } line)
        {
            if (line.StartsWith('{'))
                return JsonSerializer.Deserialize<Answer>(line, Web)!;
        }
        throw new InvalidOperationException("llama.cpp ended without an answer; its messages are above");
    }

    public void Dispose()
    {
        if (_process is null)
            return;
        _process.StandardInput.Close();
        if (!_process.WaitForExit(10_000))
            _process.Kill();
        _process.Dispose();
    }
}
