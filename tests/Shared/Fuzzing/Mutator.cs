using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Marrow.Tests;

/// <summary>Damages sound files at random; the same seed gives the same damage.</summary>
/// <param name="seed">What the damage follows from.</param>
/// <param name="words">Where the files are text: words that mean something in them. Most changes keep to the text's structure then.</param>
internal sealed class Mutator(int seed, string[]? words = null)
{
    private const int MostChanges = 3;
    private const int LongestRange = 40;

    /// <summary>Values at which counts, lengths and offsets go wrong.</summary>
    public static ulong[] Boundaries { get; } =
    [
        0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x1_0000_0000, 1ul << 40, (1ul << 61) + 1,
        0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, 0xFFFF_FFFF_FFFF_FFE0, 0xFFFF_FFFF_FFFF_FFFF,
    ];

    private readonly Random _random = new(seed);
    private readonly TextChanges? _text = words is null ? null : new TextChanges(words);

    /// <summary>A damaged copy of one of the files, at times with a piece of another.</summary>
    /// <param name="files">Sound files.</param>
    /// <param name="head">Half of the changes fall into this many first bytes, where headers are.</param>
    /// <param name="first">The copy is of the first file.</param>
    public byte[] Next(IReadOnlyList<byte[]> files, int head = int.MaxValue, bool first = false)
    {
        List<byte> bytes = [.. files[first ? 0 : _random.Next(files.Count)]];
        bool text = _text is not null && _random.Next(4) > 0;
        for (int changes = _random.Next(1, MostChanges + 1); changes > 0 && bytes.Count > 0; changes--)
        {
            int at = _random.Next(_random.Next(2) == 0 ? Math.Min(head, bytes.Count) : bytes.Count);
            if (text)
                _text!.Change(bytes, at, _random);
            else
                Change(bytes, at, files);
        }
        return [.. bytes];
    }

    private void Change(List<byte> bytes, int at, IReadOnlyList<byte[]> files)
    {
        int range = Math.Min(_random.Next(1, LongestRange), bytes.Count - at);
        switch (_random.Next(9))
        {
            case 0:
                bytes[at] ^= (byte)(1 << _random.Next(8));
                break;
            case 1:
                bytes[at] = (byte)_random.Next(256);
                break;
            case 2:
                Overwrite(bytes, at, Boundaries[_random.Next(Boundaries.Length)], 1 << _random.Next(4));
                break;
            case 3:
                AddToNumber(bytes, at, 1 << _random.Next(4), _random.Next(-2, 3));
                break;
            case 4:
                bytes.RemoveRange(at, range);
                break;
            case 5:
                bytes.InsertRange(at, bytes.GetRange(at, range));
                break;
            case 6:
                byte[] other = files[_random.Next(files.Count)];
                int from = _random.Next(other.Length);
                for (int i = 0; i < range && from + i < other.Length; i++)
                    bytes[at + i] = other[from + i];
                break;
            case 7:
                ReplaceDigits(bytes, at);
                break;
            default:
                bytes.RemoveRange(at, bytes.Count - at);
                break;
        }
    }

    private static void Overwrite(List<byte> bytes, int at, ulong value, int width)
    {
        Span<byte> number = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(number, value);
        for (int i = 0; i < width && at + i < bytes.Count; i++)
            bytes[at + i] = number[i];
    }

    private static void AddToNumber(List<byte> bytes, int at, int width, int added)
    {
        ulong number = 0;
        for (int i = 0; i < width && at + i < bytes.Count; i++)
            number |= (ulong)bytes[at + i] << (8 * i);
        Overwrite(bytes, at, number + (ulong)added, width);
    }

    /// <summary>Puts a boundary in the place of the next number that is written out, as in JSON.</summary>
    private void ReplaceDigits(List<byte> bytes, int at)
    {
        int first = bytes.FindIndex(at, b => b is >= (byte)'0' and <= (byte)'9');
        if (first < 0)
            return;
        int end = first;
        while (end < bytes.Count && bytes[end] is >= (byte)'0' and <= (byte)'9')
            end++;
        bytes.RemoveRange(first, end - first);
        string text = Boundaries[_random.Next(Boundaries.Length)].ToString(CultureInfo.InvariantCulture);
        bytes.InsertRange(first, Encoding.ASCII.GetBytes(_random.Next(3) == 0 ? $"-{text}" : text));
    }
}
