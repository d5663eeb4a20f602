namespace Marrow.Host.Tests.HouseRules;

/// <summary>A file that one can read: no C# file is longer than 500 lines.</summary>
public class FileLengthTests
{
    private const int Limit = 500;

    /// <summary>Files that may be longer, by path from the root, each with its reason beside it.</summary>
    private static readonly string[] Allowed = [];

    [Fact]
    public void No_file_is_longer_than_500_lines()
    {
        string[] files = [.. new[] { "src", "tests", "perf", "samples" }.Select(f => Repository.PathOf(f)).Where(Directory.Exists)
            .SelectMany(f => Directory.EnumerateFiles(f, "*.cs", SearchOption.AllDirectories))
            .Select(f => Path.GetRelativePath(Repository.Root, f).Replace('\\', '/'))
            .Where(f => !f.Split('/').Any(part => part is "bin" or "obj"))];
        Assert.NotEmpty(files);
        string[] tooLong = [.. files.Except(Allowed).Where(f => File.ReadLines(Repository.PathOf(f)).Count() > Limit)];
        Assert.Empty(tooLong);
        Assert.Empty(Allowed.Except(files));
    }
}
