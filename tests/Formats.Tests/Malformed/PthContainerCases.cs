using System.Buffers.Binary;
using Marrow.Formats.PyTorch;
using Marrow.Formats.Tests.Fuzzing;
using Marrow.Formats.Tests.PyTorch;

namespace Marrow.Formats.Tests.Malformed;

/// <summary>Cases 56 to 60 and 72: what holds a torch checkpoint.</summary>
internal static class PthContainerCases
{
    private static byte[] Good => RawPickle.Dict(p => p.Tensor());

    private static byte[] Whole => RawZip.Of(Good);

    public static MalformedCase[] All()
    {
        byte[] tar = new byte[600];
        "ustar"u8.CopyTo(tar.AsSpan(257));
        byte[] whole = Whole;
        RawEntry[] entries = RawZip.Checkpoint(Good, ("0", new byte[24]));
        int directory = BinaryPrimitives.ReadInt32LittleEndian(whole.AsSpan(whole.Length - 6));
        ulong size = (ulong)(whole.Length - 22 - directory);
        byte[] bomb = [.. Enumerable.Repeat((byte)'N', 1 << 20)];
        return
        [
            Row(72, "3 bytes", "PT001", () => "abc"u8.ToArray()),
            Row(56, "tar", "PT001", () => tar),
            Row(56, "pickle of protocol 0", "PT001", () => "cos\nsystem\n(S'x'\ntR."u8.ToArray()),
            Row(56, "safetensors", "PT001", () => "\u0002\0\0\0\0\0\0\0{}"u8.ToArray()),
            Row(57, "zip: first bytes only", "PT002", () => "PK\u0003\u0004"u8.ToArray()),
            Row(57, "zip: no end record", "PT002", () => whole[..^22]),
            Row(57, "zip: end record cut", "PT002", () => whole[..^1]),
            Row(57, "zip: byte behind the end", "PT002", () => [.. whole, 0]),
            Row(57, "zip: comment longer than the file", "PT002", () => RawZip.Patch(whole, 2, 1, 0)),
            Row(57, "zip: directory past the end", "PT002", () => RawZip.Patch(whole, 6, 0xF0, 0xFF, 0xFF, 0x7F)),
            Row(57, "zip: directory too long", "PT002", () => RawZip.Patch(whole, 10, 0xF0, 0xFF, 0xFF, 0x7F)),
            Row(57, "zip: directory one byte short", "PT002", () => RawZip.Patch(whole, 10, [.. BitConverter.GetBytes((uint)size - 1)])),
            Row(57, "zip: 65535 entries", "PT002", () => RawZip.Patch(whole, 14, 0xFF, 0xFF, 0xFF, 0xFF)),
            Row(57, "zip: 60000 entries", "PT002", () => RawZip.Patch(whole, 14, 0x60, 0xEA, 0x60, 0xEA)),
            Row(57, "zip: one entry less", "PT002", () => RawZip.Patch(whole, 14, 2, 0, 2, 0)),
            Row(57, "zip: entry counts differ", "PT002", () => RawZip.Patch(whole, 14, 2, 0, 3, 0)),
            Row(57, "zip: several disks", "PT002", () => RawZip.Patch(whole, 18, 1, 0)),
            Row(57, "zip: ZIP64 record absent", "PT002", () => RawZip.Patch(whole, 6, 0xFF, 0xFF, 0xFF, 0xFF)),
            Row(58, "zip: two entries of a name", "PT003", () => RawZip.Of([.. entries, entries[1]])),
            Row(58, "zip: ../data.pkl", "PT004", () => RawZip.Of(new RawEntry("../data.pkl", Good))),
            Row(58, "zip: absolute name", "PT004", () => RawZip.Of([.. entries, new("/etc/x", [])])),
            Row(58, "zip: backslash", "PT004", () => RawZip.Of([.. entries, new("t\\x", [])])),
            Row(58, "zip: NUL in a name", "PT004", () => RawZip.Of([.. entries, new("t/\0", [])])),
            Row(58, "zip: empty name", "PT004", () => RawZip.Of([.. entries, new("", [])])),
            Row(58, "zip: name of 2000 bytes", "PT004", () => RawZip.Of([.. entries, new(new string('x', 2000), [])])),
            Row(58, "zip: same bytes twice", "PT005", () => RawZip.Of([.. entries, new("t/version", []) { Local = 0, Name = "t/data.pkk" }])),
            Row(58, "zip: overlap within the data", "PT005", () => RawZip.Of(new RawEntry("t/data.pkl", Good), new RawEntry("t/x", "abc"u8.ToArray()) { Local = 10 })),
            Row(58, "zip: deflate bomb", "PT006", () => RawZip.Of(RawEntry.Deflated("t/data.pkl", bomb) with { StatedBytes = 0x7FFFFFFF })),
            Row(58, "zip: inflates to more", "PT006", () => RawZip.Of(RawEntry.Deflated("t/data.pkl", bomb) with { StatedBytes = 1000 })),
            Row(58, "zip: inflates to less", "PT006", () => RawZip.Of(RawEntry.Deflated("t/data.pkl", bomb) with { StatedBytes = 2 << 20 })),
            Row(58, "zip: no deflate stream", "PT006", () => RawZip.Of(new RawEntry("t/data.pkl", [0xFF, 0xFF, 0xFF]) { Method = 8, StatedBytes = 10 })),
            Row(58, "zip: method 14", "PT006", () => RawZip.Of(new RawEntry("t/data.pkl", Good) { Method = 14 })),
            Row(58, "zip: encrypted", "PT007", () => RawZip.Of(new RawEntry("t/data.pkl", Good) { Flags = 1 })),
            Row(58, "zip: strongly encrypted", "PT007", () => RawZip.Of(new RawEntry("t/data.pkl", Good) { Flags = 0x41 })),
            Row(59, "zip64: sizes 2^63", "PT008", () => RawZip.Of(Sized64(1UL << 63, 1UL << 63))),
            Row(59, "zip64: size 2^62", "PT008", () => RawZip.Of(Sized64(1UL << 62, 1UL << 62))),
            Row(59, "zip64: offset 2^63", "PT008", () => RawZip.Of(new RawEntry("t/data.pkl", Good) { Local = uint.MaxValue, Extra = RawZip.Field64(1UL << 63) })),
            Row(59, "zip64: field missing", "PT008", () => RawZip.Of(Sized64())),
            Row(59, "zip64: field short", "PT008", () => RawZip.Of(Sized64(5))),
            Row(59, "zip64: extra field past its end", "PT008", () => RawZip.Of(Sized64() with { Extra = [1, 0, 200, 0, 1] })),
            Row(59, "zip64: end record disagrees", "PT008", () => RawZip.With64(whole, 4, size, (ulong)directory)),
            Row(59, "zip64: directory at 2^63", "PT008", () => RawZip.With64(RawZip.Patch(whole, 6, 0xFF, 0xFF, 0xFF, 0xFF), 3, size, 1UL << 63)),
            Row(57, "zip64: directory at 2^62", "PT002", () => RawZip.With64(RawZip.Patch(whole, 6, 0xFF, 0xFF, 0xFF, 0xFF), 3, size, 1UL << 62)),
            Row(57, "zip64: 2^60 entries", "PT002", () => RawZip.With64(RawZip.Patch(whole, 14, 0xFF, 0xFF, 0xFF, 0xFF), 1UL << 60, size, (ulong)directory)),
            Row(59, "zip64: locator past the end", "PT008", () => RawZip.With64(whole, 3, size, (ulong)directory, ulong.MaxValue)),
            Row(59, "zip64: locator elsewhere", "PT008", () => RawZip.With64(whole, 3, size, (ulong)directory, 1)),
            Row(59, "zip: local name differs", "PT008", () => RawZip.Of(new RawEntry("t/data.pkl", Good) { LocalName = "t/data.pkk" })),
            Row(59, "zip: local name longer", "PT008", () => RawZip.Of(new RawEntry("t/data.pkl", Good) { LocalName = "t/data.pklx" })),
            Row(59, "zip: no local header", "PT008", () => RawZip.Of(new RawEntry("t/data.pkl", Good) { Local = 1 })),
            Row(59, "zip: local header past the directory", "PT008", () => RawZip.Of(new RawEntry("t/data.pkl", Good) { Local = 100_000 })),
            Row(59, "zip: size past the directory", "PT008", () => RawZip.Of(new RawEntry("t/data.pkl", Good) { Flags = 8, StatedBytes = 100_000, StatedStored = 100_000 })),
            Row(59, "zip: local size differs", "PT008", () => RawZip.Of(new RawEntry("t/data.pkl", Good) { StatedStored = 5 })),
            Row(59, "zip: stored size is not the real one", "PT008", () => RawZip.Of(new RawEntry("t/data.pkl", Good) { StatedBytes = 5 })),
            Row(60, "zip: no data.pkl", "PT009", () => RawZip.Of(new RawEntry("t/version", "3\n"u8.ToArray()))),
            Row(60, "zip: data.pkl too deep", "PT009", () => RawZip.Of(new RawEntry("t/u/data.pkl", Good))),
            Row(60, "zip: two data.pkl", "PT009", () => RawZip.Of([.. entries, new("u/data.pkl", Good)])),
            Row(60, "zip: data.pkl of 65 MiB", "PT009", () => RawZip.Of(RawEntry.Deflated("t/data.pkl", new byte[65 << 20]), new("t/fill", new byte[8 << 20]))),
            Row(56, "zip: empty archive", "PT001", () => RawZip.Of(Array.Empty<RawEntry>())),
            Row(70, "byte order big", "PT023", () => RawZip.Of([.. entries, new("t/byteorder", "big"u8.ToArray())])),
            Row(70, "byte order unknown", "PT023", () => RawZip.Of([.. entries, new("t/byteorder", "middle endian, of all things"u8.ToArray())])),
            Row(58, "wrong checksum", "PT029", () => RawZip.Of(new RawEntry("t/data.pkl", Good) { Crc = 7 })),
            Row(61, "TorchScript constants", "PT032", () => RawZip.Of([.. entries, new("t/constants.pkl", [])])),
            Row(61, "TorchScript code", "PT032", () => RawZip.Of([.. entries, new("t/code/__torch__.py", [])])),
        ];

        static RawEntry Sized64(params ulong[] sizes) => new("t/data.pkl", Good)
        {
            StatedStored = uint.MaxValue,
            StatedBytes = uint.MaxValue,
            Flags = 8,
            Extra = sizes.Length > 0 ? RawZip.Field64(sizes) : [],
        };
    }

    internal static MalformedCase Row(int number, string what, string? code, Func<byte[]> file) => MalformedCase.Of(number, what, code, "bad.pth", file, path =>
    {
        using PthFile opened = PthFile.Open(path);
        Reading.Tensors(opened);
    });
}
