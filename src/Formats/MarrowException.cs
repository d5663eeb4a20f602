namespace Marrow.Formats;

/// <summary>
/// An error that the user can mend. The message says what was wrong, where (file, key, tensor, shapes) and the remedy;
/// callers print it without a stack trace. Anything that is not a <see cref="MarrowException"/> is a defect of ours.
/// </summary>
public class MarrowException : Exception
{
    /// <summary>Creates the error. <paramref name="code"/> is stable ("ST003", "JB002"), for scripts and tests.</summary>
    public MarrowException(string code, string message, Exception? inner = null)
        : base(message, inner) => Code = code;

    /// <summary>The stable code of this kind of error.</summary>
    public string Code { get; }
}

/// <summary>A file that cannot be read as what it claims to be (spec/formats.md §0.1).</summary>
public sealed class ModelFileException : MarrowException
{
    /// <summary>Creates the error for <paramref name="path"/>; the message should name offset or field and what was allowed.</summary>
    public ModelFileException(string code, string path, string message, Exception? inner = null)
        : base(code, $"{path}: {message} [{code}]", inner) => Path = path;

    /// <summary>The file.</summary>
    public string Path { get; }
}
