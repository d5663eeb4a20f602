using System.Text;
using Marrow.Formats;
using Marrow.Host.Jobs.Yaml;

namespace Marrow.Host.Jobs;

/// <summary>A job as it was given and as it will run.</summary>
/// <param name="Path">The file, as named by the user.</param>
/// <param name="Bytes">Its content.</param>
/// <param name="Spec">The job with overrides applied and every default filled in.</param>
/// <param name="Given">The keys that the file or an override gives ("adapter.r"); the others hold defaults.</param>
public sealed record JobFile(string Path, ReadOnlyMemory<byte> Bytes, JobSpec Spec, IReadOnlySet<string> Given)
{
    private const int MaxBytes = 1 << 20;

    /// <summary>Reads and checks a job file; <paramref name="settings"/> are "section.key=value" overrides.</summary>
    /// <exception cref="JobException">Something is wrong with the job; the error lists all of it.</exception>
    /// <exception cref="MarrowException">JB001: the file is too large or not UTF-8; IO001 to IO006: it cannot be read.</exception>
    public static JobFile Load(string path, IEnumerable<string> settings)
    {
        byte[] bytes = ReadBytes(path);
        string text;
        try
        {
            text = new UTF8Encoding(false, true).GetString(bytes).TrimStart('\uFEFF');
        }
        catch (DecoderFallbackException e)
        {
            throw new MarrowException("JB001", $"{Echo.Name(path, 300)}: is not UTF-8 text; a job file is YAML", e);
        }
        JobSpec spec = Read(text, Echo.Name(path, 300), settings, out IReadOnlySet<string> given);
        return new JobFile(path, bytes, spec, given);
    }

    /// <summary>Reads a job from text; <paramref name="source"/> names it in messages.</summary>
    /// <exception cref="JobException">Something is wrong with the job; the error lists all of it.</exception>
    public static JobSpec Parse(string text, string source, IEnumerable<string> settings) => Read(text, source, settings, out _);

    private static JobSpec Read(string text, string source, IEnumerable<string> settings, out IReadOnlySet<string> given)
    {
        var problems = new JobProblems();
        YamlNode? root = YamlComposer.Compose(text, source, problems);
        var reader = new JobReader(problems);
        JobSpec spec = root is null ? new JobSpec() : reader.Read(JobOverrides.Apply(root, settings, problems));
        problems.ThrowIfAny();
        given = reader.Given;
        return spec;
    }

    private static byte[] ReadBytes(string path)
    {
        string full = System.IO.Path.GetFullPath(path);
        if (InputFile.LengthOf(full) is > MaxBytes and long length)
            throw new MarrowException("JB001", $"{full}: {length} bytes is too large for a job file (at most {MaxBytes})");
        return InputFile.ReadAll(full);
    }
}
