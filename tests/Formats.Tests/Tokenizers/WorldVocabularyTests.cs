using System.Text;
using Marrow.Formats.Tokenizers.World;
using Xunit.Abstractions;

namespace Marrow.Formats.Tests.Tokenizers;

public sealed class WorldVocabularyTests(ITestOutputHelper output) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("1 'ab' 3", "RV001")]
    [InlineData("1 '\\xe9' 1", "RV001")]
    [InlineData("1 'ab 2", "RV002")]
    [InlineData("1 'ab\\' 2", "RV002")]
    [InlineData("1 ' 1", "RV002")]
    [InlineData("1 'ab'c' 2", "RV002")]
    [InlineData("1 'ab' + 'c' 2", "RV002")]
    [InlineData("1 '\\x4' 1", "RV003")]
    [InlineData("1 '\\xg0' 1", "RV003")]
    [InlineData("1 '\\x+1' 1", "RV003")]
    [InlineData("1 '\\q' 1", "RV003")]
    [InlineData("1 '\\ud800' 3", "RV003")]
    [InlineData("1 '\\u12' 3", "RV003")]
    [InlineData("1 '\\U00110000' 4", "RV003")]
    [InlineData("1 b'\\u0041' 1", "RV003")]
    [InlineData("1 b'é' 2", "RV003")]
    [InlineData("1 __import__('os').system('x') 3", "RV004")]
    [InlineData("1 f'{1}' 3", "RV004")]
    [InlineData("1 r'a' 1", "RV004")]
    [InlineData("1 bb'a' 1", "RV004")]
    [InlineData("1  1", "RV004")]
    [InlineData("1 'a' 1\n1 'b' 1", "RV005")]
    [InlineData("x 'a' 1", "RV006")]
    [InlineData("-1 'a' 1", "RV006")]
    [InlineData("1.5 'a' 1", "RV006")]
    [InlineData("99999999999 'a' 1", "RV006")]
    [InlineData("1048576 'a' 1", "RV006")]
    [InlineData("1 'a'", "RV006")]
    [InlineData("1 'a' one", "RV006")]
    [InlineData("1 'a' 1\n\n2 'b' 1", "RV006")]
    [InlineData("\uFEFF1 'a' 1", "RV006")]
    [InlineData("1 '' 0", "RV007")]
    [InlineData("1 'a' 1\n2 '\\x61' 1", "RV009")]
    public void Malformed_lines(string lines, string code)
    {
        ModelFileException error = Assert.Throws<ModelFileException>(() => TinyWorld.Read(lines));
        Assert.Equal(code, error.Code);
        Assert.StartsWith("rwkv_vocab.txt: ", error.Message, StringComparison.Ordinal);
        Assert.Contains("fetch the vocabulary again", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Literals_of_every_kind()
    {
        WorldVocabulary read = TinyWorld.Read("""
            1 'a b' 3
            2 "it's" 4
            3 '"\'' 2
            4 '\\\n\r\t' 4
            5 '\x7f\x80\xff' 5
            6 b'\x80\xff"' 3
            7 b"'" 1
            8 '\u4e2d\U0001f600' 7
            1048575 '日 本' 7
            """.ReplaceLineEndings("\n"));
        Assert.Equal("a b"u8.ToArray(), read[1].ToArray());
        Assert.Equal("it's"u8.ToArray(), read[2].ToArray());
        Assert.Equal("\"'"u8.ToArray(), read[3].ToArray());
        Assert.Equal("\\\n\r\t"u8.ToArray(), read[4].ToArray());
        Assert.Equal([0x7F, 0xC2, 0x80, 0xC3, 0xBF], read[5].ToArray());
        Assert.Equal([0x80, 0xFF, (byte)'"'], read[6].ToArray());
        Assert.Equal("'"u8.ToArray(), read[7].ToArray());
        Assert.Equal("中😀"u8.ToArray(), read[8].ToArray());
        Assert.Equal("日 本"u8.ToArray(), read[1048575].ToArray());
        Assert.Equal(1048576, read.Size);
        Assert.True(read[9].IsEmpty && read[-1].IsEmpty && read[int.MaxValue].IsEmpty);
    }

    [Fact]
    public void Names_of_lines_and_files_and_what_was_read()
    {
        Assert.Contains("line 3: the token ''\\u001B[2J' is not closed",
            Assert.Throws<ModelFileException>(() => TinyWorld.Read("1 'a' 1\n2 'b' 1\n3 '\u001b[2J 4")).Message, StringComparison.Ordinal);
        Assert.Equal("RV008", Assert.Throws<ModelFileException>(() => WorldVocabulary.Parse("v", [(byte)'1', (byte)' ', (byte)'\'', 0xFF, (byte)'\'', (byte)' ', (byte)'1'])).Code);
        Assert.Equal("RV007", Assert.Throws<ModelFileException>(() => TinyWorld.Read($"1 '{new string('x', 1025)}' 1025")).Code);
        Assert.Equal(1024, TinyWorld.Read($"1 '{new string('x', 1024)}' 1024")[1].Length);
    }

    [Fact]
    public void Files_that_are_something_else()
    {
        Assert.Equal("IO002", Assert.Throws<ModelFileException>(() => WorldVocabulary.Read(_folder.Put("empty.txt", ""))).Code);
        Assert.Equal("IO003", Assert.Throws<ModelFileException>(() => WorldVocabulary.Read(_folder["none.txt"])).Code);
        Assert.Equal("IO004", Assert.Throws<ModelFileException>(() => WorldVocabulary.Read(_folder.Put("lfs.txt", "version https://git-lfs.github.com/spec/v1\n"))).Code);
        Assert.Equal("IO006", Assert.Throws<ModelFileException>(() => WorldVocabulary.Read(_folder.Put("web.txt", "<!DOCTYPE html>"))).Code);
        using (FileStream large = File.Create(_folder["large.txt"]))
            large.SetLength(WorldVocabulary.LargestFile + 1);
        Assert.Equal("RV010", Assert.Throws<ModelFileException>(() => WorldVocabulary.Read(_folder["large.txt"])).Code);
    }

    [Fact]
    public void Any_cut_or_changed_byte_is_read_or_refused()
    {
        byte[] bytes = Encoding.UTF8.GetBytes(TinyWorld.Lines);
        var random = new Random(5);
        int refused = 0;
        for (int n = 0; n < 2000; n++)
        {
            byte[] damaged = n % 3 == 0 ? bytes[..random.Next(bytes.Length)] : [.. bytes];
            for (int i = 0; i < 2 && damaged.Length > 0; i++)
                damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            try
            {
                var tokenizer = new WorldTokenizer(WorldVocabulary.Parse("v", damaged));
                if (tokenizer.Warnings.Count == 0)
                    Assert.Equal("abcdé\n", tokenizer.Decode(tokenizer.Encode("abcdé\n", false, false), false));
            }
            catch (MarrowException)
            {
                refused++;
            }
        }
        output.WriteLine($"{refused} of 2000 refused");
        Assert.InRange(refused, 1000, 2000);
    }
}
