using Marrow.Adapters.Merging;
using Marrow.Adapters.Methods;
using Marrow.Adapters.Peft;
using Marrow.Adapters.RwkvPeft;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Models;
using Marrow.Formats;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Rwkv;
using Marrow.Formats.Safetensors;

namespace Marrow.Adapters.Tests.RwkvPeft;

/// <summary>RWKV-7 in a Hugging Face folder: PEFT's files go by its names, RWKV-PEFT's by the official ones, and a merged model keeps its form.</summary>
public sealed class HuggingFaceNameTests : IDisposable
{
    private readonly CpuDevice _device = new(1);
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _folder.Dispose();
        _device.Dispose();
    }

    [Fact]
    public void Adapters_carry_the_names_of_their_files_and_compute_the_same()
    {
        using ModelFolder files = Source(1e-5);
        using CausalModel model = ModelLoader.Load(_device, files);
        AdapterConfig config = new LoraConfig { R = 2, LoraAlpha = 6, RankPattern = new([(@"layers\.0\.ffn\.key", 3)]), Targets = new() { ModulesToSave = ["lm_head", "attn_norm"] } };
        float[] logits, values;
        using (var adapted = new AdaptedModel(model, config, 1))
        {
            Assert.Equal(12, adapted.Layers.Count);
            TinyLlama.Scramble(adapted);
            (logits, values) = (TinyLlama.Logits(model, TinyLlama.Batch()), adapted.Parameters.Values.ToArray());
            adapted.Save(_folder["a"], files);
            adapted.Save(_folder["a.pth"], files);
        }
        using (PeftFolder peft = PeftFolder.Open(_folder["a"]))
        {
            Assert.Contains("base_model.model.model.layers.0.attn.r_proj.lora_A.weight", peft.Tensors.Tensors.Keys);
            Assert.Contains("base_model.model.lm_head.weight", peft.Tensors.Tensors.Keys);
            Assert.Contains("base_model.model.model.layers.1.attn_norm.bias", peft.Tensors.Tensors.Keys);
            using AdaptedModel again = AdaptedModel.Load(model, peft);
            Assert.Equal(logits, TinyLlama.Logits(model, TinyLlama.Batch()));
        }
        using RwkvPeftFile file = RwkvPeftFile.Open(_folder["a.pth"], 6);
        Assert.Equal([3, 24], file.Tensors.Tensors["blocks.0.ffn.key.lora_A"].Shape);
        Assert.Contains("head.weight", file.Tensors.Tensors.Keys);
        using (AdaptedModel again = AdaptedModel.Load(model, file))
        {
            Assert.Equal(values, again.Parameters.Values.ToArray());
            Assert.Equal(logits, TinyLlama.Logits(model, TinyLlama.Batch()));
        }
        // The same file on the same model under official names.
        using CausalModel official = ModelLoader.Load(_device, (RwkvConfig)files.Config with { Naming = null }, files.Tensors);
        using AdaptedModel there = AdaptedModel.Load(official, file);
        Assert.Equal("blocks.0.att.receptance", there.Layers[0].Path);
        Assert.Equal(logits, TinyLlama.Logits(official, TinyLlama.Batch()));
    }

    [Fact]
    public void A_merged_model_keeps_names_and_configuration()
    {
        using ModelFolder files = Source(1e-5);
        using CausalModel model = ModelLoader.Load(_device, files);
        using (var adapted = new AdaptedModel(model, new BatRowConfig { R = 2 }, 1))
        {
            TinyLlama.Scramble(adapted);
            adapted.Merge(TinyLlama.Batch());
        }
        ModelFolderWriter.Write(_folder["out"], model, files);
        Assert.Equal(File.ReadAllText(_folder["source", "config.json"]), File.ReadAllText(_folder["out", "config.json"]));
        using ModelFolder written = ModelFolder.Open(_folder["out"]);
        Assert.Equal(RwkvNaming.Fla7, ((RwkvConfig)written.Config).Naming);
        using CausalModel again = ModelLoader.Load(_device, written);
        Assert.Equal(TinyLlama.Logits(model, TinyLlama.Batch()), TinyLlama.Logits(again, TinyLlama.Batch()));
        Assert.Equal("FL004", Refused(new StateConfig(), "states"));
        // Eight channels a head: the Hugging Face form has another epsilon than a .pth file means.
        Assert.Equal("CV001", Assert.Throws<MarrowException>(() => ModelFolderWriter.Write(_folder["out.pth"], model, files)).Code);

        string Refused(AdapterConfig config, string name)
        {
            using var adapted = new AdaptedModel(model, config, 1);
            adapted.Merge(TinyLlama.Batch());
            return Assert.Throws<ModelFileException>(() => ModelFolderWriter.Write(_folder[name], model, files)).Code;
        }
    }

    private ModelFolder Source(double eps)
    {
        using CausalModel model = TinyModels.Create(_device, "rwkv7");
        ModelFolderWriter.Write(_folder["official"], model);
        using (ModelFolder official = ModelFolder.Open(_folder["official"]))
        {
            Directory.CreateDirectory(_folder["source"]);
            SafetensorsWriter.WriteModel(_folder["source"], [.. FlaWriter.Tensors(official.Tensors, RwkvNaming.Fla7)]);
        }
        File.WriteAllText(_folder["source", "config.json"], string.Create(System.Globalization.CultureInfo.InvariantCulture,
            $$"""{"model_type":"rwkv7","vocab_size":31,"hidden_size":24,"num_hidden_layers":2,"norm_eps":{{eps}},"torch_dtype":"float32","made_up":1}"""));
        return ModelFolder.Open(_folder["source"]);
    }
}
