using System.Text;

namespace Marrow.Formats.Tests.Tokenizers;

/// <summary>Text that mixes plain words, white space, combining marks and code points from everywhere.</summary>
internal static class RandomText
{
    public static string Next(Random random, int most, bool astral = true)
    {
        var text = new StringBuilder();
        int length = random.Next(most + 1);
        for (int i = 0; i < length; i++)
        {
            switch (random.Next(6))
            {
                case 0:
                    text.Append("  \n\r\t '\u3000\u0085"[random.Next(9)]);
                    break;
                case 1:
                    text.Append("abesStTrRdDlLvVmM"[random.Next(17)]);
                    break;
                case 2:
                    text.Append("0123456789.,!?$_-"[random.Next(17)]);
                    break;
                case 3:
                    text.Append((char)random.Next(0x300, 0x370));
                    break;
                case 4:
                    text.Append((char)random.Next(0xA0, 0x3100));
                    break;
                default:
                    int code = random.Next(1, astral ? 0x110000 : 0x10000);
                    text.Append(Rune.IsValid(code) ? new Rune(code).ToString() : "x");
                    break;
            }
        }
        return text.ToString();
    }
}
