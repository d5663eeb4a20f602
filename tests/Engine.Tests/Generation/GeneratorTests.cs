using Marrow.Engine.Autograd;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Generation;
using Marrow.Engine.Models;
using Marrow.Engine.Tests.Training;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.HuggingFace;

namespace Marrow.Engine.Tests.Generation;

public sealed class GeneratorTests
{
    private static readonly LlamaConfig Sliding = Tiny.Config with { ModelType = "mistral", Windows = [6, null], MaxPositions = 700 };

    [Theory]
    [InlineData(5, false)]
    [InlineData(5, true)]
    [InlineData(600, true)] // the prompt is read in several pieces
    public void Greedy_takes_the_argmax_of_the_whole_text(int promptLength, bool sliding)
    {
        using var device = new CpuDevice(2);
        using Llama model = Tiny.Model(device, sliding ? Sliding : Tiny.Config);
        int[] prompt = Tiny.Data(1, promptLength, promptLength).Ids(0).ToArray();
        List<int> text = [.. prompt];
        using var tape = new Tape(device);
        foreach (int id in new Generator(model).Generate(prompt, new GenerationOptions { MaxTokens = 20 }))
        {
            TokenDataset data = TokenDataset.From([new([.. text], [.. text])]);
            float[] logits = model.Logits(tape, Tiny.Batch(data, 0)).ToArray()[^Tiny.Vocabulary..];
            tape.Clear();
            Assert.Equal(Array.IndexOf(logits, logits.Max()), id);
            text.Add(id);
        }
        Assert.Equal(promptLength + 20, text.Count);
        Assert.True(text[promptLength..].Distinct().Count() > 3, "a text that repeats itself tests little");
    }

    [Fact]
    public void Cached_logits_are_those_of_the_whole_text()
    {
        using var device = new CpuDevice(2);
        using Llama model = Tiny.Model(device, Sliding);
        int[] ids = Tiny.Data(1, 30, 30).Ids(0).ToArray();
        using var tape = new Tape(device);
        float[] whole = model.Logits(tape, Tiny.Batch(TokenDataset.From([new(ids, ids)]), 0)).ToArray();
        using var cache = model.CreateState(30);
        for (int at = 0, step = 1; at < 30; at += step, step = Math.Min(step + 2, 30 - at))
        {
            float[] last = model.Next(tape, ids.AsSpan(at, step), cache).ToArray();
            Models.Compare.Largest(whole.AsSpan((at + step - 1) * Tiny.Vocabulary, Tiny.Vocabulary), last, 1e-5);
            tape.Clear();
        }
    }

    [Fact]
    public void Ends_at_a_stop_token_and_at_the_limit_and_frees_its_memory()
    {
        using var device = new CpuDevice(2);
        using Llama model = Tiny.Model(device);
        var generator = new Generator(model);
        long live = device.LiveBytes;
        int[] all = [.. generator.Generate([1, 2, 3], new GenerationOptions { MaxTokens = 12 })];
        Assert.Equal(12, all.Length);
        int stop = all[5];
        Assert.Equal(all.TakeWhile(id => id != stop), generator.Generate([1, 2, 3], new GenerationOptions { MaxTokens = 12, StopIds = [stop, 60] }));
        Assert.Empty(generator.Generate([1, 2, 3], new GenerationOptions { MaxTokens = 0 }));
        Assert.Equal(all[..2], generator.Generate([1, 2, 3], new GenerationOptions()).Take(2));
        Assert.Equal(live, device.LiveBytes);
    }

    [Fact]
    public void Cancelling_ends_it()
    {
        using var device = new CpuDevice(2);
        using Llama model = Tiny.Model(device);
        using var source = new CancellationTokenSource();
        int made = 0;
        Assert.Throws<OperationCanceledException>(() =>
        {
            foreach (int _ in new Generator(model).Generate([1], new GenerationOptions(), source.Token))
                if (++made == 3)
                    source.Cancel();
        });
        Assert.Equal(3, made);
    }

    [Fact]
    public void What_cannot_be_generated_is_refused()
    {
        using var device = new CpuDevice(2);
        using Llama model = Tiny.Model(device);
        var generator = new Generator(model);
        void Refused(string code, int[] prompt, GenerationOptions options) =>
            Assert.Equal(code, Assert.Throws<MarrowException>(() => generator.Generate(prompt, options).ToArray()).Code);
        Refused("E107", [], new GenerationOptions());
        Refused("E105", [Tiny.Vocabulary], new GenerationOptions());
        Refused("GE002", new int[250], new GenerationOptions());
        Refused("GE001", [1], new GenerationOptions { TopP = 0 });
        model.Head.Value.Upload<float>([float.NaN]);
        Refused("GE003", [1], new GenerationOptions());
    }

    [Fact]
    public void A_seed_gives_one_text()
    {
        using var device = new CpuDevice(2);
        using Llama model = Tiny.Model(device);
        int[] Text(ulong seed) => [.. new Generator(model).Generate([1, 2], new GenerationOptions { Temperature = 1.5, Seed = seed, MaxTokens = 30 })];
        Assert.Equal(Text(4), Text(4));
        Assert.NotEqual(Text(4), Text(5));
    }
}
