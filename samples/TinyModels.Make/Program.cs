using System.Globalization;
using Marrow.Adapters.Methods;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Models;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Tokenizers;
using Marrow.TinyModels.Make;

const ulong Seed = 1;
const int BatchSize = 64, TokenizerTexts = 20_000;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
if (args.Length is < 2 or > 3 || args[0].StartsWith('-') || args[1] is not ("llama" or "rwkv7") || !int.TryParse(args.Length == 3 ? args[2] : "6000", out int steps) || steps < 1)
{
    Console.Error.WriteLine("usage: dotnet run -c Release --project samples/TinyModels.Make -- SAMPLES llama|rwkv7 [STEPS]\n"
        + "Writes SAMPLES/tiny-llama or SAMPLES/tiny-rwkv7, and SAMPLES/quickstart; STEPS is 6000 unless given.");
    return 2;
}
string modelFolder = Path.Combine(args[0], "tiny-" + args[1]), quickstart = Path.Combine(args[0], "quickstart");
try
{
    Directory.CreateDirectory(quickstart);
    Corpus.Write(Path.Combine(quickstart, "train.jsonl"), Corpus.PigLatin(Seed, heldOut: false));
    Corpus.Write(Path.Combine(quickstart, "heldout.jsonl"), Corpus.PigLatin(Seed, heldOut: true).Take(100));
    using var device = new CpuDevice();
    AtomicFolder.Write(modelFolder, folder => Make(device, folder));
    using ModelFolder files = ModelFolder.Open(modelFolder);
    using CausalModel model = ModelLoader.Load(device, files);
    ModelTokenizer tokenizer = ModelTokenizer.Load(modelFolder);
    foreach (Skill skill in Skills.Base)
        Console.WriteLine($"{skill.Name,-14} {Scores.ExactMatch(model, tokenizer, [.. Corpus.Draw([skill], Seed, heldOut: true).Take(100).Select(d => d.Exchange)]):0.00}");
    Console.WriteLine($"{"Pig Latin",-14} {Scores.ExactMatch(model, tokenizer, [.. Corpus.PigLatin(Seed, heldOut: true).Take(100)]):0.00}");
    return 0;
}
catch (MarrowException e)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}

void Make(CpuDevice device, string folder)
{
    ModelTokenizer tokenizer = TinyModel.WriteTokenizer(folder,
        Corpus.Draw(Skills.Base, Seed, heldOut: false).Take(TokenizerTexts).SelectMany(d => new[] { d.Exchange.Question, d.Exchange.Answer }));
    TokenDataset data = TokenDataset.From(Corpus.Draw(Skills.Base, Seed, heldOut: false).Take(steps * BatchSize)
        .Select(d => Scores.Encode(tokenizer, d.Exchange)));
    Console.WriteLine($"{data.Count} examples, {data.Tokens} tokens");
    using CausalModel model = ModelLoader.Create(device, args[1] == "llama" ? TinyModel.Llama(tokenizer) : TinyModel.Rwkv7(tokenizer), Seed);
    using var full = new Full(model);
    var options = new TrainingOptions
    {
        Epochs = 1, BatchSize = BatchSize, LearningRate = 3e-3, LrSchedule = LearningRateSchedule.Cosine, WarmupSteps = 100, WeightDecay = 0.05, Beta2 = 0.98,
    };
    using var trainer = new Trainer(model, full.Parameters, data, options);
    for (long tokens = 0; trainer.Step < trainer.TotalSteps;)
    {
        StepReport report = trainer.RunStep();
        tokens += report.Tokens;
        if (report.Step % 100 == 0)
            Console.WriteLine($"step {report.Step} of {report.TotalSteps}, {tokens} tokens: loss {report.Loss:F3}");
    }
    TinyModel.WriteModel(folder, model);
}
