using System.Security.Cryptography;

namespace Marrow.Formats.Datasets;

/// <summary>
/// Reads a JSONL file line by line with one buffer and hashes every byte on the way. A UTF-8 byte order mark, CRLF line ends
/// and blank lines are accepted.
/// </summary>
internal sealed class JsonlReader : IDisposable
{
    public const int MaxLineBytes = 64 << 20;
    private readonly string _path;
    private readonly FileStream _file;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private byte[] _buffer = new byte[1 << 16];
    private int _start;
    private int _end;
    private bool _atEnd;

    /// <exception cref="MarrowException">DS001: the file cannot be opened.</exception>
    public JsonlReader(string path)
    {
        _path = path;
        if (Directory.Exists(path))
            throw new MarrowException("DS001", $"{path}: is a folder; data.train and data.eval name JSONL files [DS001]");
        try
        {
            _file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1, FileOptions.SequentialScan);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new MarrowException("DS001", $"{path}: no such file; data.train and data.eval name JSONL files [DS001]", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw Unreadable(e);
        }
    }

    /// <summary>The number of the current line, from 1; after the last one, the number of lines.</summary>
    public int LineNumber { get; private set; }

    public int BlankLines { get; private set; }

    /// <summary>The current line without its end; valid until the next <see cref="Read"/>.</summary>
    public ReadOnlyMemory<byte> Line { get; private set; }

    /// <summary>Goes to the next line that is not blank; false at the end.</summary>
    /// <exception cref="MarrowException">DS001 the file cannot be read, DS006 a line is too long, DS010 the file is UTF-16.</exception>
    public bool Read()
    {
        while (ReadRaw(out int start, out int length))
        {
            LineNumber = checked(LineNumber + 1);
            Span<byte> line = _buffer.AsSpan(start, length);
            if (LineNumber == 1)
            {
                if (line is [0xFF, 0xFE, ..] or [0xFE, 0xFF, ..])
                    throw new MarrowException("DS010", $"{_path}: the file is UTF-16; save it as UTF-8 [DS010]");
                if (line is [0xEF, 0xBB, 0xBF, ..])
                    (start, length) = (start + 3, length - 3);
            }
            if (length > 0 && _buffer[start + length - 1] == (byte)'\r')
                length--;
            if (!_buffer.AsSpan(start, length).ContainsAnyExcept(" \t\r"u8))
            {
                BlankLines++;
                continue;
            }
            Line = _buffer.AsMemory(start, length);
            return true;
        }
        return false;
    }

    /// <summary>SHA-256 of the bytes read so far, lower-case hexadecimal.</summary>
    public string Sha256() => Convert.ToHexStringLower(_hash.GetCurrentHash());

    public void Dispose()
    {
        _file.Dispose();
        _hash.Dispose();
    }

    private bool ReadRaw(out int start, out int length)
    {
        int searched = 0;
        while (true)
        {
            int found = _buffer.AsSpan(_start + searched, _end - _start - searched).IndexOf((byte)'\n');
            if (found >= 0)
            {
                (start, length) = (_start, searched + found);
                _start += length + 1;
                return true;
            }
            searched = _end - _start;
            if (_atEnd)
            {
                (start, length) = (_start, searched);
                _start = _end;
                return length > 0;
            }
            FillBuffer();
        }
    }

    private void FillBuffer()
    {
        if (_end == _buffer.Length)
        {
            int held = _end - _start;
            if (held >= MaxLineBytes)
                throw new MarrowException("DS006",
                    $"{_path}: line {LineNumber + 1} is longer than {MaxLineBytes >> 20} MiB; JSONL has one example on each line, split it [DS006]");
            byte[] target = held > _buffer.Length / 2 ? new byte[_buffer.Length * 2] : _buffer;
            _buffer.AsSpan(_start, held).CopyTo(target);
            (_buffer, _start, _end) = (target, 0, held);
        }
        int read;
        try
        {
            read = _file.Read(_buffer, _end, _buffer.Length - _end);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(e);
        }
        _hash.AppendData(_buffer, _end, read);
        _end += read;
        _atEnd = read == 0;
    }

    private MarrowException Unreadable(Exception e) =>
        new("DS001", $"{_path}: cannot be read: {e.Message} [DS001]", e);
}
