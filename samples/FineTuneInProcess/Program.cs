// Fine-tuning inside a program of one's own: no command line, no files but the model, the data and the adapter.
// dotnet run -c Release --project samples/FineTuneInProcess -- MODEL_FOLDER TRAIN.jsonl ADAPTER_FOLDER
using Marrow.Adapters;
using Marrow.Adapters.Methods;
using Marrow.Adapters.Targets;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Generation;
using Marrow.Engine.Models;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Tokenizers;

if (args is not [var modelPath, var dataPath, var adapterPath])
{
    Console.Error.WriteLine("usage: FineTuneInProcess MODEL_FOLDER TRAIN.jsonl ADAPTER_FOLDER");
    return 2;
}
using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, e) =>
{
    e.Cancel = true;
    stop.Cancel();
};
try
{
    using var device = new CpuDevice();
    using ModelFolder folder = ModelFolder.Open(modelPath);
    using CausalModel model = ModelLoader.Load(device, folder);
    ModelTokenizer tokens = ModelTokenizer.Load(modelPath);
    LoadedDataset data = DatasetLoader.Load(dataPath, new DatasetOptions { MaxLength = 256 }, new ModelVocabulary(model.VocabularySize, tokens.Tokenizer, tokens.ChatTemplate));

    var bone = new MissConfig { R = 16, Targets = new TargetSelection { TargetModules = new ModulePattern(ModulePattern.AllLinear) } };
    using var adapted = new AdaptedModel(model, bone, seed: 1);
    using var trainer = new Trainer(model, adapted.Parameters, data.Examples, new TrainingOptions { Epochs = 1, BatchSize = 8, LearningRate = 2e-3 });
    while (trainer.Step < trainer.TotalSteps && !stop.IsCancellationRequested)
    {
        StepReport report = trainer.RunStep();
        if (report.Step % 10 == 0)
            Console.WriteLine($"step {report.Step} of {report.TotalSteps}: loss {report.Loss:F4}");
    }
    adapted.Save(adapterPath, folder);
    Console.WriteLine($"The adapter is in {adapterPath}.");

    if (tokens.ChatTemplate is { } chat)
    {
        string prompt = chat.Render([new ChatMessage("user", "Hello!")], addGenerationPrompt: true);
        IReadOnlyList<int> ids = tokens.Tokenizer.Encode(prompt, addSpecial: false, parseSpecial: true);
        var generator = new Generator(model);
        Console.WriteLine(tokens.Tokenizer.Decode(generator.Generate([.. ids], new GenerationOptions { MaxTokens = 32, StopIds = tokens.StopIds }, stop.Token), skipSpecial: true));
    }
    return 0;
}
catch (MarrowException e)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}
